"""Processes configured with the refresh token from before the last login, and their refreshes."""

import pytest
from requests import post

import sdks
from sdks import SDK, Application, SDKException, new_token
from support import KEY, make_token, stored
from zoho_tokenstore import Keyring, RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.errors import LoginRequiredError

STORES = ("sqlite", "postgresql", "mariadb")
ALICE = "alice@example.com"
NAME = sdks.user_name(ALICE) or ALICE
EXPIRED = "1000"


@pytest.fixture(params=[None, KEY], ids=["readable", "encrypted"])
def open_store(url, request):
    """Open a store as another process would."""
    stores = []

    def open_store(**options):
        keyring = Keyring.from_text(request.param) if request.param else None
        stores.append(SQLAlchemyTokenStore(url, keyring=keyring, **options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def process(open_store, zoho, tmp_path):
    """Be a new process of an application."""

    def process(**options):
        sdks.forget()
        return Application(zoho, open_store(**options), tmp_path)

    return process


def log_in(zoho):
    """Return the refresh token of a new login of Alice."""
    form = {"client_id": "id", "client_secret": "secret", "code": zoho.grant(ALICE)}
    form |= {"grant_type": "authorization_code", "redirect_uri": "https://r"}
    return post(zoho.accounts_url, data=form, timeout=10).json()["refresh_token"]


def save(store, refresh_token, expiry=EXPIRED):
    client = {"client_id": "id", "client_secret": "secret"}
    token = make_token(
        NAME, refresh_token=refresh_token, access_token="1000.expired", expiry=expiry, **client
    )
    sdks.save(store, token, ALICE)


@pytest.fixture
def logins(open_store, zoho):
    """Log Alice in twice; return both refresh tokens, of which the second is stored."""
    old, new = log_in(zoho), log_in(zoho)
    store = open_store()
    save(store, old)
    save(store, new)
    zoho.requests.clear()
    return old, new


def named(refresh_token):
    """Return a token that says whose it is; contracts A and B are told by the application."""
    token = new_token(refresh_token=refresh_token)
    if SDK.contract == "C":
        SDK.setters["user_name"](token, NAME)
    return token


def used_for_refresh(zoho, row):
    return zoho.accounts._access[row["access_token"]].refresh_token


COORDINATION = pytest.mark.parametrize(
    "refresh", [RefreshPolicy(), None], ids=["coordinated", "uncoordinated"]
)


@COORDINATION
@pytest.mark.parametrize("is_alive", [True, False], ids=["alive", "revoked"])
def test_the_refresh_is_made_with_the_present_refresh_token(
    process, zoho, logins, is_alive, refresh
):
    old, new = logins
    if not is_alive:
        zoho.refuse(old)
    application = process(refresh=refresh)
    assert application.visit(named(old), ALICE) == ALICE
    assert application.read_record() == ALICE
    (row,) = stored(application.store)
    assert row["refresh_token"] == new
    assert used_for_refresh(zoho, row) == new
    assert zoho.count("refresh") == 1


def test_two_deployments_with_a_refresh_token_each_do_not_take_turns(process, zoho):
    tokens = log_in(zoho), log_in(zoho)
    for number in range(32):
        assert process().visit(named(tokens[number % 2]), ALICE) == ALICE
    assert zoho.count("refresh") <= len(tokens)


@pytest.mark.skipif(not sdks.NAMES_USERS, reason="this SDK does not ask for the user's name")
def test_without_a_name_an_earlier_login_works_and_puts_nothing_back(process, zoho):
    tokens = log_in(zoho), log_in(zoho)
    for number in range(6):
        application = process()
        token = new_token(refresh_token=tokens[number % 2])
        assert application.visit(token, ALICE) == application.read_record() == ALICE
    (row,) = stored(application.store)
    assert row["refresh_token"] == tokens[1]
    assert zoho.count("refresh") == 4, "the first one's at each start, and the second one's once"


def test_a_process_that_runs_goes_on_with_the_login_of_another(process, open_store, zoho):
    zoho.accounts.lifetime = 4.0
    application = process()
    token = new_token(grant_token=zoho.grant(ALICE), redirect_url="https://r")
    if SDK.contract == "C":
        SDK.setters["user_name"](token, NAME)
    assert application.visit(token, ALICE) == ALICE
    (row,) = stored(application.store)
    new = log_in(zoho)
    save(open_store(), new)
    zoho.refuse(row["refresh_token"])
    zoho.accounts.lifetime = 3600.0
    assert application.read_record() == ALICE
    (row,) = stored(application.store)
    assert row["refresh_token"] == new
    assert used_for_refresh(zoho, row) == new


def test_a_good_refresh_token_may_come_back_when_the_present_one_is_refused(process, zoho, logins):
    old, new = logins
    zoho.refuse(new)
    with pytest.raises(SDKException) as caught:
        process().visit(named(old), ALICE)
    assert isinstance(caught.value.cause, LoginRequiredError)
    assert process().visit(named(old), ALICE) == ALICE
    application = process()
    (row,) = stored(application.store)
    assert row["refresh_token"] == used_for_refresh(zoho, row) == old
    assert application.visit(named(new), ALICE) == ALICE
    assert zoho.count("refresh") == 2


def test_a_refusal_of_another_refresh_token_is_not_about_the_present_one(process, zoho, logins):
    old, new = logins
    third = log_in(zoho)
    zoho.refuse(third)
    with pytest.raises(SDKException):
        process().visit(named(third), ALICE)
    application = process()
    assert application.visit(named(old), ALICE) == ALICE
    (row,) = stored(application.store)
    assert row["refresh_token"] == used_for_refresh(zoho, row) == new


def test_a_refresh_under_way_does_not_put_its_refresh_token_back(open_store, zoho, monkeypatch):
    from zoho_tokenstore.zoho import access_tokens

    store = open_store(accounts_url=zoho.accounts_url)
    old, new = log_in(zoho), log_in(zoho)
    save(store, old)
    refresh = access_tokens.refresh_access_token

    def meanwhile(*arguments):
        answer = refresh(*arguments)
        save(store, new)
        return answer

    monkeypatch.setattr(access_tokens, "refresh_access_token", meanwhile)
    assert zoho.accounts.account_of(store.access_token(NAME).value).email == ALICE
    assert [row["refresh_token"] for row in stored(store)] == [new]


def test_a_refusal_without_the_sdk_is_one_too(open_store, zoho, logins):
    old, new = logins
    store = open_store(accounts_url=zoho.accounts_url)
    zoho.refuse(new)
    with pytest.raises(LoginRequiredError):
        store.access_token(NAME)
    save(store, old)
    assert zoho.accounts.account_of(store.access_token(NAME).value).email == ALICE
