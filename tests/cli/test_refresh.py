"""``refresh``: a new access token now, whatever was refused before."""

import json

import pytest

from support import logged_in, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import ClientRefusedError, LoginRequiredError
from zoho_tokenstore.testing.accounts import Accounts

STORES = ("sqlite", "postgresql", "mariadb")
ALICE = "alice@example.com"


@pytest.fixture
def store(shared_url, zoho):
    with SQLAlchemyTokenStore(shared_url, accounts_url=zoho.accounts_url) as store:
        yield store


@pytest.fixture
def refresh(shared_url, zoho, run_command):
    def refresh(*arguments):
        return run_command(shared_url, "refresh", "--accounts-url", zoho.accounts_url, *arguments)

    return refresh


def test_a_mail_address_alone_names_the_users_that_have_it(store, zoho, refresh):
    logged_in(zoho, store, f"{ALICE}:60001")
    status, out, messages = refresh("--user", ALICE)
    assert (status, out) == (1, "")
    assert f"no tokens are stored for user {ALICE!r}: pass one of '{ALICE}:60001'" in messages
    status, _, messages = refresh("--user", f"{ALICE}:60001", "--client", "another")
    assert (status, "pass one of" in messages) == (1, False)


def test_a_valid_token_is_replaced(store, zoho, refresh):
    row = logged_in(zoho, store, ALICE)
    status, out, messages = refresh("--user", ALICE, "--json")
    assert (status, messages) == (0, "")
    (after,) = stored(store)
    assert json.loads(out)["user_name"] == ALICE
    assert after["access_token"] != row["access_token"]
    assert zoho.accounts.account_of(after["access_token"]).email == ALICE
    assert refresh("--user", ALICE)[1].startswith("refreshed, expires 2")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("invalid_client_secret", ClientRefusedError), ("invalid_code", LoginRequiredError)],
)
def test_what_was_refused_is_tried_again(store, zoho, refresh, monkeypatch, reason, kind):
    logged_in(zoho, store, ALICE, expiry="1000")
    with monkeypatch.context() as patched:
        patched.setattr(Accounts, "refresh", lambda *_: {"error": reason})
        with pytest.raises(kind) as refused:
            store.access_token(ALICE)
    with pytest.raises(kind) as remembered:
        store.access_token(ALICE)
    assert refused.value.reason == remembered.value.reason == reason
    assert refresh("--user", ALICE)[0] == 0
    assert zoho.accounts.account_of(store.access_token(ALICE).value).email == ALICE


def test_a_refusal_leaves_the_stored_token(store, zoho, refresh):
    row = logged_in(zoho, store, ALICE)
    zoho.refuse(row["refresh_token"])
    status, out, messages = refresh("--user", ALICE)
    assert (status, out) == (1, "")
    assert "invalid_code" in messages
    assert stored(store) == [row]
    assert store.access_token(ALICE).value == row["access_token"]


def test_an_unknown_user_is_named(store, refresh):
    store.get_tokens()
    status, out, messages = refresh("--user", "nobody")
    assert (status, out) == (1, "")
    assert "'nobody'" in messages


def test_which_server_is_asked_has_to_be_known(store, shared_url, zoho, run_command):
    logged_in(zoho, store, ALICE)
    status, _, messages = run_command(shared_url, "refresh", "--user", ALICE)
    assert status == 2
    assert "accounts_url" in messages
    assert zoho.count("refresh") == 0
