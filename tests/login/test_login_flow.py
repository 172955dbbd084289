"""Logging users in: what the browser brings back, and who is sent the secrets."""

from urllib.parse import parse_qs, urlsplit

import pytest

from support import logged_in, make_token, shown, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore import login as login_module
from zoho_tokenstore.errors import (
    ClientRefusedError,
    ConfigurationError,
    LoginDeniedError,
    LoginError,
    LoginStateError,
    MissingScopeError,
    UnknownServerError,
)
from zoho_tokenstore.login import LoginFlow
from zoho_tokenstore.testing.accounts import ORG_ID, Accounts
from zoho_tokenstore.zoho.accounts import TokenAnswer

ALICE = "alice@example.com"
NAME = f"{ALICE}:{ORG_ID}"
SCOPES = ("ZohoCRM.modules.ALL", "ZohoCRM.users.READ", "ZohoCRM.org.READ")
CLIENT = {
    "client_id": "1000.CLIENT",
    "client_secret": "a-client-secret",
    "redirect_url": "https://app.example.com/callback",
    "scopes": SCOPES,
}
STORES = ("sqlite", "encrypted", "postgresql", "mariadb")


@pytest.fixture
def store(shared_url, zoho):
    with SQLAlchemyTokenStore(shared_url, accounts_url=zoho.accounts_url) as store:
        store.get_tokens()
        yield store


@pytest.fixture
def flow(store, zoho):
    return LoginFlow(store, **CLIENT, accounts_url=zoho.accounts_url)


@pytest.fixture
def callback(zoho):
    """What the browser brings back from Zoho."""

    def callback(state, **changes):
        return {
            "code": zoho.grant(ALICE),
            "location": "us",
            "accounts-server": zoho.url,
            "state": state,
        } | changes

    return callback


def test_the_browser_is_sent_to_zohos_page_of_consent(store):
    request = LoginFlow(store, **CLIENT).begin()
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "accounts.zoho.com",
        "/oauth/v2/auth",
    )
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": ["1000.CLIENT"],
        "scope": [",".join(SCOPES)],
        "redirect_uri": ["https://app.example.com/callback"],
        "access_type": ["offline"],
        "prompt": ["consent"],
        "state": [request.state],
    }
    assert "a-client-secret" not in request.url
    assert "a-client-secret" not in repr(request)


def test_no_two_states_are_alike_and_none_can_be_guessed(flow):
    states = {flow.begin().state for _ in range(100)}
    assert len(states) == 100
    assert min(map(len, states)) >= 43, "256 bits"


def test_a_callback_ends_in_a_stored_login(flow, store, zoho, callback):
    state = flow.begin().state
    token = flow.finish(callback(state), state=state)
    assert zoho.accounts.account_of(token.value).email == ALICE
    assert token.user_name == NAME
    (row,) = stored(store)
    assert row["user_name"] == NAME
    assert row["access_token"] == token.value
    assert row["client_secret"] == "a-client-secret"
    assert row["redirect_url"] == "https://app.example.com/callback"
    assert "grant_token" not in row, "it is used up"
    zoho.expire_access_tokens()
    store.invalidate(token)
    assert zoho.accounts.account_of(store.access_token(NAME).value).email == ALICE


def test_a_second_login_takes_the_place_of_the_first(flow, store, callback):
    for _ in range(2):
        state = flow.begin().state
        token = flow.finish(callback(state), state=state)
    (row,) = stored(store)
    assert row["access_token"] == token.value


def test_the_name_can_be_given(flow, store, zoho, callback):
    token = flow.finish(callback("s"), state="s", user_name="alice")
    assert token.user_name == "alice"
    assert [row["user_name"] for row in stored(store)] == ["alice"]
    assert zoho.count("user") == zoho.count("org") == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [("forged", "kept"), (None, "kept"), ("", "kept"), ("forged", None), ("", ""), (None, None)],
)
def test_a_callback_of_another_browser_is_refused(flow, store, zoho, callback, given, kept):
    with pytest.raises(LoginStateError):
        flow.finish(callback(given), state=kept)
    assert stored(store) == []
    assert zoho.requests == []


def test_a_callback_that_comes_twice_is_refused_the_second_time(flow, store, callback):
    state = flow.begin().state
    parameters = callback(state)
    flow.finish(parameters, state=state)
    before = stored(store)
    with pytest.raises(LoginError, match=r"invalid_code.*begin again") as caught:
        flow.finish(parameters, state=state)
    assert parameters["code"] not in shown(caught.value)
    assert stored(store) == before


def test_a_user_who_does_not_consent_is_told_apart(flow, zoho):
    with pytest.raises(LoginDeniedError):
        flow.finish({"error": "access_denied", "state": "s"}, state="s")
    with pytest.raises(LoginError, match="invalid_scope") as caught:
        flow.finish({"error": "invalid_scope\x1b[2J", "state": "s"}, state="s")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(LoginError, match="no code"):
        flow.finish({"state": "s"}, state="s")
    assert zoho.requests == []


@pytest.mark.parametrize(
    "server",
    [
        "https://evil.example.com",
        "https://accounts.zoho.com.evil.com",
        "https://accounts.zoho.com@evil.com",
        "http://accounts.zoho.com",
        "https://evil.com/accounts.zoho.com",
        "https://accounts.zoho.com:8443",
        "//evil.com",
        "https://[",
    ],
)
def test_no_server_of_the_browsers_choice_is_sent_the_secret(
    flow, store, callback, server, monkeypatch
):
    asked = []
    monkeypatch.setattr(login_module, "exchange_code", lambda *_: asked.append(_))
    with pytest.raises(UnknownServerError):
        flow.finish(callback("s", **{"accounts-server": server}), state="s")
    with pytest.raises(UnknownServerError):
        flow.finish({"code": "c", "location": "moon", "state": "s"}, state="s")
    assert asked == []
    assert stored(store) == []


@pytest.mark.parametrize(
    ("parameters", "endpoint"),
    [
        ({}, "https://accounts.zoho.com/oauth/v2/token"),
        ({"location": "in"}, "https://accounts.zoho.in/oauth/v2/token"),
        (
            {"accounts-server": "https://accounts.zoho.eu"},
            "https://accounts.zoho.eu/oauth/v2/token",
        ),
        (
            {"location": "us", "accounts-server": "https://accounts.zohocloud.ca"},
            "https://accounts.zohocloud.ca/oauth/v2/token",
        ),
    ],
)
def test_the_code_is_exchanged_at_the_users_data_center(store, monkeypatch, parameters, endpoint):
    asked = []

    def exchange(endpoint, login, seconds):
        assert login.grant_token == "the code"
        assert login.redirect_url == CLIENT["redirect_url"]
        assert 0 < seconds < 60
        asked.append(endpoint)
        return TokenAnswer("access", 2**42, "refresh", "https://www.zohoapis.eu")

    monkeypatch.setattr(login_module, "exchange_code", exchange)
    flow = LoginFlow(store, **CLIENT)
    token = flow.finish(
        {"code": ["the code"], "state": ["s"]} | parameters, state="s", user_name=ALICE
    )
    assert asked == [endpoint]
    assert token.value == "access"


@pytest.mark.parametrize("word", ["invalid_client", "invalid_client_secret"])
def test_a_wrong_client_is_an_error_of_its_own(flow, callback, monkeypatch, word):
    monkeypatch.setattr(Accounts, "exchange", lambda *_: {"error": word})
    with pytest.raises(ClientRefusedError, match=word) as caught:
        flow.finish(callback("s"), state="s")
    assert "a-client-secret" not in shown(caught.value)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ({"error": "invalid_redirect_uri"}, "API console"),
        ({"error": "access_denied"}, "ten logins in ten minutes"),
        ({"error": "Access Denied", "status": "failure"}, "ten logins in ten minutes"),
        ({}, "no access token"),
    ],
    ids=str,
)
def test_a_refused_code_says_what_to_do(flow, store, callback, monkeypatch, answer, match):
    monkeypatch.setattr(Accounts, "exchange", lambda *_: answer)
    with pytest.raises(LoginError, match=match):
        flow.finish(callback("s"), state="s")
    assert stored(store) == []


def test_without_the_scopes_for_the_name_the_error_says_which(flow, store, callback, monkeypatch):
    monkeypatch.setattr(Accounts, "account_of", lambda *_: None)
    with pytest.raises(MissingScopeError, match=r"ZohoCRM\.users\.READ.*user_name="):
        flow.finish(callback("s"), state="s")
    assert stored(store) == []


def test_a_login_without_a_refresh_token_is_logged(flow, callback, monkeypatch, caplog):
    exchange = Accounts.exchange

    def online(accounts, form):
        return {k: v for k, v in exchange(accounts, form).items() if k != "refresh_token"}

    monkeypatch.setattr(Accounts, "exchange", online)
    flow.finish(callback("s"), state="s")
    assert "access_type=offline" in caplog.text
    assert NAME in caplog.text


def test_a_save_of_the_sdk_without_a_refresh_token_is_logged(store, zoho, caplog):
    logged_in(zoho, store, ALICE)
    store.save_token(make_token(ALICE, access_token="newer"))
    assert caplog.text == "", "the row has one"
    store.save_token(make_token("bob", access_token="online"))
    assert "'bob'" in caplog.text
    assert "access_type=offline" in caplog.text


@pytest.mark.parametrize("name", ["client_id", "client_secret", "redirect_url", "scopes"])
def test_an_empty_setting_is_named(store, name):
    with pytest.raises(ConfigurationError, match=name):
        LoginFlow(store, **CLIENT | {name: ""})


def test_an_accounts_server_without_tls_is_refused(store):
    with pytest.raises(ConfigurationError, match="HTTPS"):
        LoginFlow(store, **CLIENT, accounts_url="http://accounts.zoho.com")
