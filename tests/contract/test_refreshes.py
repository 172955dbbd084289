"""One refresh, seen from the database, from Zoho and from the application: what it costs."""

import copy
import pickle

import pytest
import requests
from sqlalchemy import Engine, event, func, select

import sdks
from sdks import SDK, Application, SDKException, new_token
from support import execute, record, stored
from zoho_tokenstore import OAuthTokenRow, RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.errors import LoginRequiredError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.sdk.coordinated_token import observer_of

ALICE = "alice@example.com"
COORDINATED, UNCOORDINATED = RefreshPolicy(), None


@pytest.fixture
def expired(url, zoho, tmp_path):
    """Store Alice's login with an access token that has expired; return its row."""
    zoho.accounts.lifetime = 4.0
    with SQLAlchemyTokenStore(url, refresh=None) as store:
        application = Application(zoho, store, tmp_path)
        application.initialize(new_token(grant_token=zoho.grant(ALICE)), ALICE)
        if SDK.contract != "C":
            application.read_record()  # the older SDKs log in at the first call
        (row,) = stored(store)
    sdks.forget()
    zoho.accounts.lifetime = 3600.0
    zoho.requests.clear()
    return row


@pytest.fixture
def application(url, zoho, tmp_path):
    """An application that has been started, and has done nothing yet."""
    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
        yield Application(zoho, store, tmp_path)


def use(application, row):
    """Make the SDK's call that needs an access token."""
    application.initialize(new_token(refresh_token=row["refresh_token"]), ALICE)
    if SDK.contract != "C":
        application.read_record()


def entries(url, what):
    table = companion_table(OAuthTokenRow.__table__, "audit")
    ((count,),) = execute(url, select(func.count()).where(table.c.event == what))
    return count


def test_a_refresh_is_stored_once_and_audited_once(url, application, zoho, expired):
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    before = entries(url, "refreshed")
    event.listen(Engine, "before_cursor_execute", note)
    try:
        use(application, expired)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    (row,) = stored(application.store)
    assert row["access_token"] != expired["access_token"]
    assert zoho.count("refresh") == 1
    assert entries(url, "refreshed") == before + 1
    # A token without a user's name may be another row's login too, so all related rows are read.
    assert len(statements) <= (9 if "user_name" in row else 10), "\n".join(statements)


def test_what_the_application_changes_before_the_sdk_saves_is_stored(
    application, expired, monkeypatch
):
    save_token = application.store.save_token

    def change_and_save(*arguments):
        sdks.SETTERS["redirect_url"](arguments[-1], "https://changed")
        save_token(*arguments)

    monkeypatch.setattr(application.store, "save_token", change_and_save)
    use(application, expired)
    (row,) = stored(application.store)
    assert row["redirect_url"] == "https://changed"
    assert row["access_token"] != expired["access_token"]


def test_a_refreshed_token_is_an_ordinary_one_of_the_sdk_after_its_save(application, expired):
    if SDK.contract == "C":
        token = new_token(refresh_token=expired["refresh_token"])
        application.initialize(token, ALICE)
        assert type(token) is SDK.token_type
        sdks.SETTERS["access_token"](token, "by hand")
        application.store.save_token(token)
        assert stored(application.store)[0]["access_token"] == "by hand"


def sent_by_sdk(monkeypatch, response=None):
    """Record what the SDK posts to the accounts server, and answer it if there is an answer."""
    sent, post = [], requests.post

    def posting(url, **arguments):
        sent.append({"url": url, **arguments})
        if response is not None:
            raise response
        return post(url, **arguments)

    monkeypatch.setattr(requests, "post", posting)
    return sent


def requests_of(url, zoho, folder, monkeypatch, refresh, token):
    with SQLAlchemyTokenStore(url, refresh=refresh) as store, monkeypatch.context() as patched:
        sent = sent_by_sdk(patched)
        application = Application(zoho, store, folder)
        with pytest.raises(SDKException) as caught:
            application.visit(token(), ALICE)
        sdks.forget()
        store.delete_tokens()
        return sent, caught.value


@pytest.mark.parametrize("field", ["refresh_token", "grant_token"])
def test_the_request_and_its_failure_are_the_sdks_own(url, zoho, tmp_path, monkeypatch, field):
    def token():
        return new_token(**{field: "1000.refused"}, redirect_url="https://r")

    outcomes = [
        requests_of(url, zoho, tmp_path, monkeypatch, refresh, token)
        for refresh in (UNCOORDINATED, COORDINATED)
    ]
    ((theirs,), their_error), ((ours,), our_error) = outcomes
    for name in ("url", "data", "headers"):
        assert ours[name] == theirs.get(name)
    assert ours["timeout"] == RefreshPolicy().http_timeout
    assert not ours["allow_redirects"], "the secrets are for this host alone"
    for name in ("code", "error_message", "details"):
        assert getattr(our_error, name) == getattr(their_error, name)
    assert their_error.cause is None
    assert isinstance(our_error.cause, LoginRequiredError), "what Zoho's word means"


@pytest.mark.parametrize("refresh", [UNCOORDINATED, COORDINATED], ids=["sdk", "store"])
def test_a_broken_connection_is_the_sdks_own_error_with_its_cause(
    url, zoho, tmp_path, monkeypatch, expired, refresh
):
    with SQLAlchemyTokenStore(url, refresh=refresh) as store:
        sent_by_sdk(monkeypatch, requests.ConnectionError("refused by the test"))
        with pytest.raises(SDKException) as caught:
            use(Application(zoho, store, tmp_path), expired)
        assert stored(store) == [expired]
    causes, error = [], caught.value
    while error is not None:
        causes.append(type(error))
        error = getattr(error, "cause", None)
    assert requests.ConnectionError in causes


@pytest.mark.parametrize("duplicate", [copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_of_a_token_that_is_being_refreshed_is_the_sdks_own(
    application, expired, monkeypatch, duplicate
):
    copies, post = [], requests.post

    def posting(*arguments, **options):
        refreshes = application.store._refreshes
        token = SDK.build_token(record_of_expired)
        refreshes._observe(token, object())
        copies.append(duplicate(token))
        assert observer_of(token) is not None
        return post(*arguments, **options)

    record_of_expired = record(application.store.get_tokens()[0])
    monkeypatch.setattr(requests, "post", posting)
    use(application, expired)
    (token,) = copies
    assert type(token) is SDK.token_type
    assert observer_of(token) is None
    assert record(token) == record_of_expired
