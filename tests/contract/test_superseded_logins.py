"""Workers that still have the refresh token from before the user's last login."""

import logging

import pytest

from support import LOGIN, known, login, make_token, record, sdk_error, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import IdConflictError

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


def is_remembered(store, refresh_token=OLD):
    """Save an earlier login of Alice's; return whether her row stays as it is."""
    before = stored(store)
    store.save_token(login("alice", refresh_token=refresh_token, access_token="1000.of the old"))
    return stored(store) == before


@pytest.mark.parametrize("client", [{}, {"client_id": LOGIN["client_id"]}], ids=["", "client"])
def test_without_a_name_nobody_is_served_what_has_superseded_their_login(store, row, client):
    assert store.find_token(make_token(refresh_token=OLD, **client)) is None
    for refresh_token in (OLD, "1000.another"):
        with sdk_error(IdConflictError):
            store.get_token_by_id(row["id"], make_token(refresh_token=refresh_token))


def test_without_a_name_an_earlier_login_is_a_row_of_its_own(store, row):
    with sdk_error(IdConflictError):
        store.save_token(login(refresh_token=OLD, id=row["id"]))
    token = login(refresh_token=OLD, access_token="1000.of the old")
    store.save_token(token)
    assert record(token).id != row["id"]
    assert row in stored(store)
    found = store.find_token(make_token(refresh_token=OLD))
    assert record(found).access_token == "1000.of the old"


@pytest.mark.usefixtures("row")
def test_another_client_is_another_login(store):
    store.save_token(login("alice", client_id="1000.ANOTHER", refresh_token=OLD))
    assert sorted(each["refresh_token"] for each in stored(store)) == sorted([OLD, NEW])


OUTDATED = {
    "by name": {"user": "alice"},
    "by name alone": {"user": "alice", "client_id": None, "client_secret": None},
    "by the id": {"user": "alice", "id": "the row's"},
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


VALID, PAST = "4102444800000", "1767225600000"


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"access_token": "1000.own", "expiry": VALID}, OLD),
        ({"access_token": "1000.own", "expiry": PAST}, NEW),
        ({"access_token": None, "expiry": None}, NEW),
    ],
    ids=["valid", "expired", "without access token"],
)
@pytest.mark.usefixtures("row")
def test_the_rows_refresh_token_is_served_as_soon_as_it_would_be_used(store, own, kept):
    token = store.find_token(login("alice", **{"refresh_token": OLD} | own))
    assert record(token).refresh_token == kept


def test_without_coordination_nothing_else_is_served(sql_store, upgraded_sqlite_url):
    sql_store.save_tokens([login("alice", refresh_token=OLD), newer()])
    with SQLAlchemyTokenStore(upgraded_sqlite_url, refresh=None) as store:
        valid = login("alice", refresh_token=OLD, access_token="1000.own", expiry=VALID)
        assert record(store.find_token(valid)).refresh_token == OLD
        expired = login("alice", refresh_token=OLD, access_token="1000.own", expiry=PAST)
        assert record(store.find_token(expired)).refresh_token == NEW


def test_tokens_of_one_batch_are_saved_as_one_by_one(store):
    old, new = login("alice", refresh_token=OLD), newer()
    store.save_tokens([old, new, login("alice", refresh_token=OLD, access_token="1000.again")])
    (row,) = stored(store)
    assert (row["refresh_token"], row["access_token"]) == (NEW, "1000.newer")
    assert is_remembered(store)


@pytest.mark.usefixtures("row")
def test_only_the_last_but_one_is_remembered(store):
    store.save_token(login("alice", refresh_token="1000.third"))
    assert is_remembered(store, NEW)
    assert not is_remembered(store, OLD)
    assert stored(store)[0]["refresh_token"] == OLD


@pytest.mark.usefixtures("row")
def test_a_refreshed_token_keeps_what_its_row_has_superseded(store):
    token = store.find_token(make_token("alice"))
    again = login("alice", refresh_token=NEW, access_token="1000.refreshed", id=record(token).id)
    store.save_token(again)
    store.save_token(login("alice", refresh_token=None, access_token="1000.refreshed twice"))
    assert is_remembered(store)
    assert stored(store)[0]["access_token"] == "1000.refreshed twice"


def test_deleting_the_token_is_the_way_back(store, row):
    store.delete_token(row["id"])
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
    store.save_token(login("alice", refresh_token=NEW))
    assert not is_remembered(store)


def test_a_client_that_is_added_later_supersedes_nothing(store):
    store.save_token(make_token("alice", refresh_token=OLD, access_token="1000.pasted"))
    store.save_token(newer())
    assert len(stored(store)) == 1
    assert not is_remembered(store)


@pytest.mark.skipif("api_domain" not in known(login()), reason="this SDK's tokens have none")
@pytest.mark.parametrize(
    ("domain", "remembers"), [("https://sandbox.zohoapis.eu", False), (None, True)]
)
def test_a_login_in_another_environment_supersedes_nothing(store, domain, remembers):
    store.save_token(login("alice", refresh_token=OLD))
    store.save_token(newer(api_domain=domain))
    assert is_remembered(store) is remembers


def test_it_is_said_once_what_happens_and_what_to_do(store, row, caplog, request):
    if "list" in request.node.callspec.params.values():
        pytest.skip("it is in memory, and says nothing")
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        for _ in range(3):
            store.save_token(login("alice", refresh_token=OLD))
    (message,) = caplog.messages
    assert "'alice'" in message
    assert row["id"] in message
    assert "configure its refresh token" in message
    assert "delete the token first" in message
    assert OLD not in message
    assert NEW not in message
