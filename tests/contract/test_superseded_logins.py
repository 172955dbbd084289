"""Workers that still have the refresh token from before the user's last login."""

import logging

import pytest

from support import LOGIN, known, login, make_token, record, sdk_error, stored
from zoho_tokenstore.errors import AmbiguousTokenError, IdConflictError

OLD, NEW = "1000.old", "1000.new"


def newer(**changes):
    """Return the token of Alice's last login."""
    return login("alice", **{"refresh_token": NEW, "access_token": "1000.newer"} | changes)


@pytest.fixture
def row(store):
    """Log Alice in twice; return her row."""
    store.save_token(login("alice", refresh_token=OLD))
    store.save_token(newer())
    (row,) = stored(store)
    assert row["refresh_token"] == NEW
    return row


@pytest.mark.parametrize("client", [{}, {"client_id": LOGIN["client_id"]}], ids=["", "client"])
def test_the_earlier_refresh_token_finds_the_present_login(store, row, client):
    token = make_token(refresh_token=OLD, **client)
    assert store.find_token(token) is token
    assert known(token) == row


def test_the_token_goes_on_by_its_id(store, row):
    token = make_token(refresh_token=OLD)
    store.find_token(token)
    assert known(store.find_token_by_id(record(token).id)) == row
    assert known(store.get_token_by_id(row["id"], make_token(refresh_token=OLD))) == row


def test_an_id_and_a_refresh_token_that_was_never_the_rows_are_refused(store, row):
    with sdk_error(IdConflictError):
        store.get_token_by_id(row["id"], make_token(refresh_token="1000.another"))


@pytest.mark.usefixtures("row")
def test_another_clients_or_another_earlier_refresh_token_finds_nothing(store):
    assert store.find_token(make_token(refresh_token=OLD, client_id="1000.ANOTHER")) is None
    assert store.find_token(make_token(refresh_token="1000.unknown")) is None


@pytest.mark.usefixtures("row")
def test_a_row_that_has_the_refresh_token_itself_comes_first(store):
    store.save_token(login("bob", refresh_token=OLD))
    assert record(store.find_token(make_token(refresh_token=OLD))).user_name == "bob"


@pytest.mark.usefixtures("row")
def test_two_rows_that_have_superseded_it_are_ambiguous(store):
    for refresh_token in (OLD, "1000.of two"):
        store.save_token(login("alice", client_id="two", refresh_token=refresh_token))
    with sdk_error(AmbiguousTokenError, "pass the client id"):
        store.find_token(make_token(refresh_token=OLD))
    found = store.find_token(make_token(refresh_token=OLD, client_id="two"))
    assert record(found).refresh_token == "1000.of two"


OUTDATED = {
    "by name": {"user": "alice"},
    "by name alone": {"user": "alice", "client_id": None, "client_secret": None},
    "by the refresh token": {},
    "by the id": {"user": "alice", "id": "the row's"},
    "by the id without a name": {"id": "the row's"},
    "with another grant token": {"user": "alice", "grant_token": "1000.grant"},
}


@pytest.mark.parametrize("fields", OUTDATED.values(), ids=OUTDATED)
def test_a_superseded_refresh_token_does_not_supersede(store, row, fields):
    own = {"id": row["id"]} if "id" in fields else {}

    def outdated():
        return login(**{"refresh_token": OLD, "access_token": "1000.of the old"} | fields | own)

    token = outdated()
    store.save_token(token)
    assert stored(store) == [row]
    assert record(token).id == row["id"]
    store.save_tokens([outdated(), login("bob"), outdated()])
    assert [each for each in stored(store) if each["user_name"] == "alice"] == [row]


def test_tokens_of_one_batch_are_saved_as_one_by_one(store):
    old, new = login("alice", refresh_token=OLD), newer()
    store.save_tokens([old, new, login("alice", refresh_token=OLD, access_token="1000.again")])
    (row,) = stored(store)
    assert (row["refresh_token"], row["access_token"]) == (NEW, "1000.newer")
    assert known(store.find_token(make_token(refresh_token=OLD))) == row


@pytest.mark.usefixtures("row")
def test_only_the_last_but_one_is_remembered(store):
    store.save_token(login("alice", refresh_token="1000.third"))
    assert store.find_token(make_token(refresh_token=OLD)) is None
    assert record(store.find_token(make_token(refresh_token=NEW))).refresh_token == "1000.third"
    store.save_token(login("alice", refresh_token=OLD))
    assert stored(store)[0]["refresh_token"] == OLD


@pytest.mark.usefixtures("row")
def test_a_refreshed_token_keeps_what_its_row_has_superseded(store):
    token = store.find_token(make_token("alice"))
    again = login("alice", refresh_token=NEW, access_token="1000.refreshed", id=record(token).id)
    store.save_token(again)
    store.save_token(login("alice", refresh_token=None, access_token="1000.refreshed twice"))
    found = store.find_token(make_token(refresh_token=OLD))
    assert record(found).access_token == "1000.refreshed twice"


def test_deleting_the_token_is_the_way_back(store, row):
    store.delete_token(row["id"])
    assert store.find_token(make_token(refresh_token=OLD)) is None
    store.save_token(login("alice", refresh_token=OLD))
    assert stored(store)[0]["refresh_token"] == OLD


@pytest.mark.usefixtures("row")
def test_another_user_may_have_it(store):
    store.save_token(login("bob", refresh_token=OLD))
    assert sorted(each["refresh_token"] for each in stored(store)) == sorted([OLD, NEW])


def test_a_row_without_a_user_is_its_refresh_token_and_supersedes_nothing(store):
    store.save_token(login(refresh_token=OLD, id="id of the samples"))
    store.save_token(login(refresh_token=NEW, id="id of the samples"))
    assert stored(store)[0]["refresh_token"] == NEW
    assert store.find_token(make_token(refresh_token=OLD)) is None
    store.save_token(login("alice", refresh_token=NEW))
    assert store.find_token(make_token(refresh_token=OLD)) is None


def test_a_client_that_is_added_later_supersedes_nothing(store):
    store.save_token(make_token("alice", refresh_token=OLD, access_token="1000.pasted"))
    store.save_token(newer())
    assert len(stored(store)) == 1
    assert store.find_token(make_token(refresh_token=OLD)) is None
    store.save_token(login("alice", refresh_token=OLD))
    assert stored(store)[0]["refresh_token"] == OLD


@pytest.mark.skipif("api_domain" not in known(login()), reason="this SDK's tokens have none")
@pytest.mark.parametrize(
    ("domain", "remembers"), [("https://sandbox.zohoapis.eu", False), (None, True)]
)
def test_a_login_in_another_environment_supersedes_nothing(store, domain, remembers):
    store.save_token(login("alice", refresh_token=OLD))
    store.save_token(newer(api_domain=domain))
    assert (store.find_token(make_token(refresh_token=OLD)) is not None) is remembers


def test_it_is_said_once_what_happens_and_what_to_do(store, row, caplog, request):
    if "list" in request.node.callspec.params.values():
        pytest.skip("it is in memory, and says nothing")
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        for _ in range(3):
            store.save_token(login("alice", refresh_token=OLD))
            store.find_token(make_token(refresh_token=OLD))
    (message,) = caplog.messages
    assert "'alice'" in message
    assert row["id"] in message
    assert "configure its refresh token" in message
    assert "delete the token first" in message
    assert OLD not in message
    assert NEW not in message
