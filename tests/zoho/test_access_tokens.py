"""Access tokens without the SDK: looked up, refreshed when due, once by all workers."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from support import address, logged_in, make_token, shown, stored, visit
from zoho_tokenstore import AccessToken, RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    ClientRefusedError,
    ConfigurationError,
    DatabaseUnavailableError,
    LoginRequiredError,
    RefreshFailedError,
    RefreshThrottledError,
    TokenTypeError,
    UnknownUserError,
)
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho import access_tokens
from zoho_tokenstore.zoho.accounts import TokenAnswer, words_of

ALICE, BOB = "alice@example.com", "bob@example.com"
HOUR = 3_600_000


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def store(url, zoho):
    with SQLAlchemyTokenStore(url, accounts_url=zoho.accounts_url) as store:
        yield store


def expired(zoho, store, email=ALICE, **changes):
    return logged_in(zoho, store, email, **{"expiry": "1000"} | changes)


def test_a_valid_token_is_looked_up_and_no_more(store, zoho):
    row = logged_in(zoho, store, ALICE)
    token = store.access_token(ALICE)
    assert token == AccessToken(
        value=row["access_token"],
        expires_at=datetime.fromtimestamp(row["expiry"] / 1000, UTC),
        api_domain=row.get("api_domain"),
        user_name=ALICE,
        client_id="id",
    )
    assert token.expires_at.utcoffset() == timedelta(0)
    assert row["access_token"] not in repr(token)
    assert zoho.requests == []


def test_an_expired_token_is_refreshed_and_stored(store, zoho):
    row = expired(zoho, store)
    token = store.access_token(ALICE, client_id="id")
    assert zoho.accounts.account_of(token.value).email == ALICE
    (after,) = stored(store)
    assert after["access_token"] == token.value != row["access_token"]
    assert token.expires_at.timestamp() * 1000 == after["expiry"]
    assert after["refresh_token"] == row["refresh_token"]
    assert store.access_token(ALICE) == token
    assert zoho.count("refresh") == 1


def test_each_user_gets_their_own(store, zoho):
    for email in (ALICE, BOB):
        expired(zoho, store, email)
    with ThreadPoolExecutor(8) as threads:
        names = [ALICE, BOB] * 16
        tokens = list(threads.map(store.access_token, names))
    assert [zoho.accounts.account_of(token.value).email for token in tokens] == names
    assert zoho.count("refresh") == 2


def test_threads_that_meet_an_expired_token_send_one_refresh(store, zoho):
    expired(zoho, store)
    zoho.delay = 0.5
    with ThreadPoolExecutor(16) as threads:
        tokens = set(threads.map(lambda _: store.access_token(ALICE), range(16)))
    assert len(tokens) == 1
    assert zoho.count("refresh") == 1


def ask(url, accounts_url, threads):
    store, pool = SQLAlchemyTokenStore(url, accounts_url=accounts_url), ThreadPoolExecutor(threads)
    with store, pool:
        return [token.value for token in pool.map(store.access_token, [ALICE] * threads)]


def test_a_crowd_of_processes_and_threads_sends_one_refresh(url, store, zoho, crowd):
    expired(zoho, store)
    zoho.delay = 0.5
    tokens = crowd.run(ask, [(url, zoho.accounts_url, 4)] * 16)
    assert len({token for each in tokens for token in each}) == 1
    assert zoho.count("refresh") == 1


def test_workers_with_and_without_the_sdk_send_one_refresh(url, store, zoho, crowd, tmp_path):
    row = expired(zoho, store)
    zoho.delay = 0.5
    sdk = (url, address(zoho), tmp_path, {"refresh_token": row["refresh_token"]})
    works = [(visit, sdk), (ask, (url, zoho.accounts_url, 1))] * 8
    crowd.run(call, works)
    assert zoho.count("refresh") == 1


def call(work, arguments):
    return work(*arguments)


def test_before_its_expiry_one_refreshes_and_the_others_go_on(store, zoho, monkeypatch):
    row = expired(zoho, store, expiry=str(int(time.time() * 1000) + 60_000))
    accounts, others = type(zoho.accounts), threading.Semaphore(0)
    refresh = accounts.refresh

    def refresh_last(self, form):
        assert all(others.acquire(timeout=20) for _ in range(7))
        return refresh(self, form)

    monkeypatch.setattr(accounts, "refresh", refresh_last)

    def ask(_):
        value = store.access_token(ALICE).value
        others.release()
        return value

    with ThreadPoolExecutor(8) as threads:
        values = list(threads.map(ask, range(8)))
    assert values.count(row["access_token"]) == 7
    assert zoho.count("refresh") == 1


def test_an_early_refresh_that_fails_leaves_the_valid_token(store, zoho):
    row = expired(zoho, store, expiry=str(int(time.time() * 1000) + 60_000))
    zoho.refuse(row["refresh_token"])
    assert store.access_token(ALICE).value == row["access_token"]
    assert store.access_token(ALICE).value == row["access_token"]
    assert zoho.count("refresh") == 1


def test_a_refused_login_says_so_to_the_first_and_to_the_others(store, zoho):
    row = expired(zoho, store)
    zoho.refuse(row["refresh_token"])
    for _ in range(2):
        with pytest.raises(LoginRequiredError, match="invalid_code") as caught:
            store.access_token(ALICE)
        assert row["refresh_token"] not in shown(caught.value)
    assert zoho.count("refresh") == 1
    assert stored(store) == [row]


def test_a_refused_client_is_an_error_of_the_client(store, zoho):
    expired(zoho, store, issued_to="another client")
    with pytest.raises(ClientRefusedError, match="client secret"):
        store.access_token(ALICE)


def test_a_throttled_refresh_is_told_apart(store, zoho):
    row = expired(zoho, store)
    zoho.accounts.throttle = 0
    with pytest.raises(RefreshThrottledError):
        store.access_token(ALICE)
    assert stored(store) == [row]


def test_without_an_answer_the_error_has_the_reason(url, store, zoho):
    row = expired(zoho, store)
    with SQLAlchemyTokenStore(url, accounts_url="http://127.0.0.1:9") as lost:
        failed = pytest.raises(RefreshFailedError, match="ConnectionError")
        with failed as caught:
            lost.access_token(ALICE)
    assert row["refresh_token"] not in shown(caught.value)


@pytest.mark.parametrize("name", ["nobody", "ALICE@example.com", f"{ALICE} ", ""])
def test_an_unknown_user_is_an_error_that_names_the_user(store, zoho, name):
    logged_in(zoho, store, ALICE)
    with pytest.raises(UnknownUserError, match=repr(name)) as caught:
        store.access_token(name)
    assert isinstance(caught.value, LookupError)
    with pytest.raises(UnknownUserError):
        store.access_token(ALICE, client_id="1000.OTHER")
    assert zoho.requests == []


@pytest.mark.parametrize("name", [None, 7, b"alice"])
def test_a_name_that_is_no_text_is_refused(store, name):
    with pytest.raises(TokenTypeError, match="user_name must be text"):
        store.access_token(name)


def test_a_user_of_two_clients_has_to_be_told_apart(store):
    for number, client in enumerate(("1000.A", "1000.B")):
        store.save_token(
            make_token(
                ALICE, client_id=client, access_token=f"a{number}", refresh_token=f"r{number}"
            )
        )
    with pytest.raises(AmbiguousTokenError, match="client id"):
        store.access_token(ALICE)


def test_without_a_refresh_token_the_user_has_to_log_in_at_the_end(store, zoho):
    alive = str(int(time.time() * 1000) + HOUR)
    store.save_token(make_token(ALICE, access_token="valid", expiry=alive))
    store.save_token(make_token(BOB, access_token="old", expiry="1000"))
    assert store.access_token(ALICE).value == "valid"
    with pytest.raises(LoginRequiredError, match="access_type=offline"):
        store.access_token(BOB)
    assert zoho.requests == []


def test_a_token_whose_expiry_is_unknown_is_refreshed(store, zoho):
    row = expired(zoho, store, expiry=None, access_token="of unknown age")
    assert "expiry" not in row
    assert store.access_token(ALICE).expires_at > datetime.now(UTC)
    assert zoho.count("refresh") == 1


def test_an_unknown_data_center_is_an_error_before_anything_is_sent(url, zoho):
    with SQLAlchemyTokenStore(url) as store:
        expired(zoho, store)
        with pytest.raises(ConfigurationError, match="accounts_url"):
            store.access_token(ALICE)
    assert zoho.requests == []


def test_a_store_without_coordination_refreshes_all_the_same(url, zoho):
    with SQLAlchemyTokenStore(url, accounts_url=zoho.accounts_url, refresh=None) as store:
        expired(zoho, store)
        assert zoho.accounts.account_of(store.access_token(ALICE).value).email == ALICE


def test_what_an_answer_brings_along_is_kept(store, zoho, monkeypatch, caplog):
    row = expired(zoho, store)

    def refresh(*_):
        return TokenAnswer("new", int(time.time() * 1000) + HOUR, *answers.pop())

    monkeypatch.setattr(access_tokens, "refresh_access_token", refresh)
    answers = [(None, "https://www.zohoapis.in"), ("1000.new", None)]
    with caplog.at_level(logging.WARNING, "zoho_tokenstore.refresh"):
        store.access_token(ALICE)
    (after,) = stored(store)
    assert after["refresh_token"] == "1000.new"
    assert after.get("api_domain") == row.get("api_domain")
    assert caplog.text == ""
    store.invalidate("new")
    token = store.access_token(ALICE)
    assert token.api_domain == "https://www.zohoapis.in"
    assert ("API domain" in caplog.text) == ("api_domain" in row)


def test_a_deleted_user_does_not_come_back(store, zoho, monkeypatch):
    row = expired(zoho, store)
    refresh = access_tokens.refresh_access_token

    def meanwhile(*arguments):
        answer = refresh(*arguments)
        store.delete_token(row["id"])
        return answer

    monkeypatch.setattr(access_tokens, "refresh_access_token", meanwhile)
    assert zoho.accounts.account_of(store.access_token(ALICE).value).email == ALICE
    assert stored(store) == []
    with pytest.raises(UnknownUserError):
        store.access_token(ALICE)


def test_a_refused_token_is_refreshed_by_the_next_lookup_of_anybody(url, store, zoho):
    row = logged_in(zoho, store, ALICE)
    token = store.access_token(ALICE)
    store.invalidate(token)
    with SQLAlchemyTokenStore(url, accounts_url=zoho.accounts_url) as other:
        new = other.access_token(ALICE)
    assert new.value != token.value
    for late in (token, token.value, row["access_token"], "never stored"):
        store.invalidate(late)
    assert store.access_token(ALICE) == new
    assert zoho.count("refresh") == 1
    (after,) = stored(store)
    assert after["refresh_token"] == row["refresh_token"]
    assert after.get("client_secret") == row["client_secret"]


def test_the_refused_token_of_one_client_is_not_that_of_the_users_other_one(store, zoho):
    for client in ("one", "two"):
        logged_in(zoho, store, ALICE, client, client_id=client)
    one, two = (store.access_token(ALICE, client_id=client) for client in ("one", "two"))
    store.invalidate(one)
    assert store.access_token(ALICE, client_id="one").value != one.value
    assert store.access_token(ALICE, client_id="two") == two
    assert zoho.count("refresh") == 1


def test_threads_that_meet_a_refusal_send_one_refresh(store, zoho):
    logged_in(zoho, store, ALICE)
    refused = store.access_token(ALICE)
    start = threading.Barrier(16)

    def meet(_):
        start.wait()
        store.invalidate(refused)
        return store.access_token(ALICE)

    with ThreadPoolExecutor(16) as threads:
        tokens = set(threads.map(meet, range(16)))
    assert len(tokens) == 1
    assert refused not in tokens
    assert zoho.count("refresh") == 1


def test_a_refresh_between_the_look_and_the_lock_is_not_undone(store, zoho, monkeypatch):
    row = logged_in(zoho, store, ALICE)
    refused = store.access_token(ALICE)
    rows = store._opened.tables.tokens
    earlier = store._database.read(rows.find_row, TokenRecord(user_name=ALICE))
    new = store.refresh_now(ALICE)
    with monkeypatch.context() as patched:
        patched.setattr(rows, "find_row", lambda *_: earlier)
        for token in (refused, refused.value):
            store.invalidate(token)
    assert store.access_token(ALICE) == new
    assert zoho.count("refresh") == 1
    assert stored(store)[0]["refresh_token"] == row["refresh_token"]


@pytest.mark.parametrize(("refresh_token", "raises"), [(None, False), ("1000.new", True)])
def test_an_answer_that_cannot_be_stored_is_used_unless_a_login_would_be_lost(
    store, zoho, monkeypatch, refresh_token, raises
):
    row = expired(zoho, store)
    answer = TokenAnswer("new", int(time.time() * 1000) + HOUR, refresh_token, None)
    monkeypatch.setattr(access_tokens, "refresh_access_token", lambda *_: answer)

    def fail(*_):
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(store._access_tokens, "_save_claimed", fail)
    if raises:
        with pytest.raises(DatabaseUnavailableError):
            store.access_token(ALICE)
    else:
        assert store.access_token(ALICE).value == "new"
    assert stored(store) == [row]


@pytest.mark.parametrize("value", [None, 7])
def test_only_a_token_can_be_invalidated(store, value):
    with pytest.raises(TokenTypeError):
        store.invalidate(value)


def test_the_audit_has_the_refusal(store, zoho):
    logged_in(zoho, store, ALICE)
    store.invalidate(store.access_token(ALICE))
    store.access_token(ALICE)
    entries = store._database.read(
        lambda session: store._opened.tables.audit.read_entries(session, "")
    )
    assert [entry.event for entry in entries] == ["created", "invalidated", "refreshed"]


def test_a_policy_of_a_second_ends_a_refresh_that_takes_longer(url, zoho):
    policy = RefreshPolicy(http_timeout=0.5, lease=5)
    with SQLAlchemyTokenStore(url, accounts_url=zoho.accounts_url, refresh=policy) as store:
        expired(zoho, store)
        zoho.delay = 2.0
        with pytest.raises(RefreshFailedError, match="ReadTimeout"):
            store.access_token(ALICE)


def test_the_words_of_a_server_are_short_and_harmless():
    assert words_of("\x1b[2Jx\u202e\n") == r"\x1b[2Jx\u202e\n"
    assert len(words_of("x" * 10_000)) == 100


def test_an_answer_that_repeats_a_secret_is_not_repeated(store, zoho, monkeypatch):
    row = expired(zoho, store)
    answer = {"error": f"no: {row['refresh_token']}"}
    monkeypatch.setattr(type(zoho.accounts), "refresh", lambda *_: answer)
    with pytest.raises(RefreshFailedError, match="no access token") as caught:
        store.access_token(ALICE)
    assert row["refresh_token"] not in shown(caught.value)


def test_without_an_api_domain_it_is_that_of_the_configured_data_center(url):
    alive = str(int(time.time() * 1000) + HOUR)
    with SQLAlchemyTokenStore(url, accounts_url="https://accounts.zoho.in") as store:
        store.save_token(make_token(ALICE, access_token="a", refresh_token="r", expiry=alive))
        assert store.access_token(ALICE).api_domain == "https://www.zohoapis.in"
