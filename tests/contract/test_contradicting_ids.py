"""An id that contradicts the rest of the token: the right token or an error, in every SDK."""

from contextlib import suppress

import pytest

import sdks
from sdks import REVOKES, SDK, SETTERS, Application, SDKException, new_token
from support import login, make_token, record, sdk_error, stored
from zoho_tokenstore.errors import IdConflictError, PlaceholderIdWarning

STORES = ("list", "encrypted", "sqlite", "postgresql", "mariadb")
ALICE, BOB = "alice@example.com", "bob@example.com"

pytestmark = [
    pytest.mark.filterwarnings("ignore::zoho_tokenstore.errors.PlaceholderIdWarning"),
    pytest.mark.skipif(SDK.contract == "A", reason="its tokens are not looked up by their ids"),
]

LOGS_IN_WITH_AN_ID = pytest.mark.skipif(
    SDK.contract == "C" and not REVOKES, reason="it fails to log in a token that has an id"
)


@pytest.fixture
def application(zoho, store, tmp_path):
    return Application(zoho, store, tmp_path)


def first_login(zoho, email):
    """Return a token as in the SDK's samples, which all have one id."""
    token = new_token(grant_token=zoho.grant(email), redirect_url="https://r")
    SETTERS["id"](token, "id")
    return token


@LOGS_IN_WITH_AN_ID
def test_a_second_user_with_the_first_ones_id_is_not_served_as_the_first(application, zoho, store):
    assert application.visit(first_login(zoho, ALICE), ALICE) == ALICE
    sdks.forget()
    answered = None
    with suppress(SDKException):
        answered = application.visit(first_login(zoho, BOB), BOB)
    assert answered in (BOB, None)
    sdks.forget()
    key = stored(store)[0]["id"]
    assert application.visit(new_token(id=key), ALICE) == ALICE


@LOGS_IN_WITH_AN_ID
def test_the_same_user_with_the_id_goes_on(application, zoho, store):
    application.visit(first_login(zoho, ALICE), ALICE)
    (row,) = stored(store)
    sdks.forget()
    again = new_token(refresh_token=row["refresh_token"])
    SETTERS["id"](again, "id")
    assert application.visit(again, ALICE) == ALICE


def test_a_stored_users_token_with_anothers_id_is_not_served_as_the_other(application, store):
    rows = {}
    for email in (ALICE, BOB):
        application.log_in(email)
        (rows[email],) = (row for row in stored(store) if row not in rows.values())
        sdks.forget()
    bob = new_token(refresh_token=rows[BOB]["refresh_token"])
    SETTERS["id"](bob, rows[ALICE]["id"])
    answered = None
    with suppress(SDKException):
        answered = application.visit(bob, BOB)
    assert answered in (BOB, None)


@pytest.mark.skipif(SDK.contract != "B", reason="hands over the caller's token with the id")
@pytest.mark.parametrize("field", ["client_id", "refresh_token", "grant_token"])
def test_the_callers_token_is_compared_with_the_row(store, field):
    token = login("alice", grant_token="grant")
    store.save_token(token)
    key = record(token).id
    same = make_token(refresh_token="1000.refresh.alice")
    assert store.get_token_by_id(key, same) is not None
    other = make_token(**{field: "another"})
    with sdk_error(IdConflictError, "another login"):
        store.get_token_by_id(key, other)


@pytest.mark.parametrize("save", ["save_token", "save_tokens"])
def test_a_placeholder_is_warned_of(store, save):
    token = login("alice", id="token_id")
    with pytest.warns(PlaceholderIdWarning, match="'token_id'"):
        getattr(store, save)(token if save == "save_token" else [token])
