"""The faults that were seen in the SDKs' own stores, one by one: this store has none of them.

The numbers are those of the table in ``docs/explanation/sdk-faults.md``, which says in which
releases and how each fault shows. Two rows are the SDK's own doing: no store can have them.

- 27, ``revoke(id)``: releases before 8-0 7.0.0 fail before they ask the store. What the store owes
  the others, a lookup by id that fills in place, is tested under that number.
- 29, ``remove()`` of a token without an id: contract C passes ``None`` on, and believes whatever
  does not raise. That the store raises is tested under that number.
"""

import sqlite3
from pathlib import Path
from stat import S_IMODE

import pytest

import sdks
from sdks import Application, SDKException
from support import expires_in, known, login, make_token, record, sdk_error, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import InvalidTokenError, TokenTypeError
from zoho_tokenstore.testing import ListTokenStore

STORES = ("list", "encrypted", "sqlite", "postgresql", "mariadb")
HOSTILE = ["zz' or '1'='1", "A', client_secret='STOLEN", "O'Brien", "%s", "0 or 1=1", 'x" --']


@pytest.fixture
def application(zoho, store, tmp_path):
    return Application(zoho, store, tmp_path)


def names(store):
    return sorted((row.get("user_name") for row in stored(store)), key=str)


def save_login(url: str, name: str) -> str:
    """Save one user's token, in a process of its own."""
    with SQLAlchemyTokenStore(url) as store:
        token = login(name)
        store.save_token(token)
        return str(record(token).id)


def save_five_times(url: str, name: str) -> list[str]:
    with SQLAlchemyTokenStore(url) as store:
        for number in range(5):
            token = login(name, access_token=f"{name}.{number}")
            store.save_token(token)
        return [str(record(token).id)]


def test_fault_01_the_eleventh_user_is_served_with_a_token_of_their_own(application):
    for number in range(12):
        email = f"user{number}@example.com"
        application.log_in(email)
        assert application.read_record() == email


def test_fault_02_ids_do_not_run_out_after_nine(store):
    tokens = [login(f"user {number}") for number in range(12)]
    for token in tokens:
        store.save_token(token)
    assert len({record(token).id for token in tokens}) == len(stored(store)) == 12


def test_fault_03_an_id_that_is_not_a_number_disturbs_no_other_token(store):
    store.save_token(login("alice", id="abc"))
    bob = login("bob")
    store.save_token(bob)
    assert record(bob).id not in (None, "", "abc")


def test_fault_04_a_deleted_id_is_not_given_to_the_next_user(store):
    alice = login("alice")
    store.save_token(alice)
    store.delete_tokens()
    store.save_token(login("bob"))
    assert store.find_token_by_id(record(alice).id) is None


def test_fault_05_a_token_without_a_user_does_not_find_another_users(store):
    alice, bob = login("alice"), login("bob")
    store.save_tokens([alice, bob])
    assert record(store.find_token(make_token(id=record(bob).id))).user_name == "bob"
    for token in (make_token(""), make_token(refresh_token=""), make_token("", id="2")):
        assert store.find_token(token) is None


def test_fault_06_an_empty_user_name_is_saved_as_none(store):
    store.save_token(login(""))
    assert names(store) == [None]


def test_fault_07_two_clients_keep_their_tokens_apart(store):
    store.save_token(login("alice", client_id="one", access_token="of one"))
    store.save_token(login("alice", client_id="two", access_token="of two"))
    found = store.find_token(make_token(client_id="two", refresh_token="1000.refresh.alice"))
    assert record(found).access_token == "of two"
    assert len(stored(store)) == 2


@pytest.mark.parametrize("change", [{}, {"refresh_token": "rotated"}, {"id": None}], ids=str)
def test_fault_08_the_same_token_can_be_saved_again(store, change):
    token = login("alice")
    store.save_token(token)
    store.save_token(login("alice", **{"id": record(token).id} | change))
    assert len(stored(store)) == 1


def test_fault_09_a_grant_saved_without_a_name_and_then_with_one_is_one_row(store):
    store.save_token(login(grant_token="g"))
    store.save_token(login("alice", grant_token="g", refresh_token="1000.refresh"))
    assert names(store) == ["alice"]


@pytest.mark.parametrize("hostile", ["01", "1x", "abc", "0 or 1=1", "1' or '1'='1"])
def test_fault_10_deleting_by_id_deletes_that_id(store, hostile):
    store.save_tokens([login("alice", id="1"), login("bob", id="2")])
    store.delete_token(hostile)
    assert names(store) == ["alice", "bob"]
    store.delete_token("1")
    assert names(store) == ["bob"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_fault_11_sql_in_a_value_is_a_value(store, hostile):
    store.save_token(login("alice"))
    before = stored(store)
    token = make_token(hostile, client_id=hostile, refresh_token=hostile, access_token=hostile)
    for wanted in (make_token(hostile), make_token(refresh_token=hostile)):
        assert store.find_token(wanted) is None
    assert store.find_token_by_id(hostile) is None
    store.save_token(token)
    assert known(store.find_token(make_token(hostile))) == known(token)
    store.delete_token(token)
    assert stored(store) == before


def test_fault_12_delete_tokens_empties_the_table_that_the_tokens_are_in(store):
    store.save_tokens([login("alice"), login("bob")])
    store.delete_tokens()
    assert stored(store) == []


def test_fault_13_a_rotated_refresh_token_replaces_the_old_one(store):
    store.save_token(login("alice", id="python_alice_LOCAL_aaaa"))
    rotated = login("alice", id="python_alice_LOCAL_bbbb", refresh_token="rotated")
    store.save_token(rotated)
    (row,) = stored(store)
    assert row["refresh_token"] == "rotated"
    assert row["id"] == record(rotated).id


def test_fault_14_a_save_that_fails_leaves_the_old_row(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
        before = stored(store)
        database = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
        for change in ("UPDATE", "INSERT"):
            database.execute(
                f"CREATE TRIGGER no_{change} BEFORE {change} ON oauthtoken "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        with pytest.raises(SDKException):
            store.save_token(login("alice", refresh_token="new"))
        assert stored(store) == before
        database.close()


def test_fault_15_a_token_without_login_or_expiry_does_not_break_get_tokens(store):
    store.save_tokens([login("alice"), make_token("bob", access_token="pasted")])
    tokens = {record(token).user_name: token for token in store.get_tokens()}
    assert set(tokens) == {"alice", "bob"}
    assert expires_in(tokens["bob"]) is None, "not the text 'None'"


def test_fault_16_a_token_that_knows_only_its_id_or_its_user_is_served(store):
    user = sdks.UserSignature("alice@example.com")
    token = login()
    store.save_token(user, token)
    found = store.get_token(user, make_token(client_id=record(token).client_id))
    assert record(found).access_token == record(token).access_token
    store.delete_token(make_token(id=record(token).id))
    assert stored(store) == []


def test_fault_17_long_values_are_kept_whole(store):
    token = login("alice", refresh_token="r" * 300, access_token="a" * 5000)
    store.save_token(token)
    assert stored(store) == [known(token)]


@pytest.mark.parametrize("alike", ["JOSE@X.com", "josé@x.com", "jose@x.com  "])
def test_fault_18_names_and_tokens_are_compared_exactly(store, alike):
    store.save_token(login("jose@x.com", refresh_token="r2"))
    assert store.find_token(make_token(alike)) is None
    assert store.find_token(make_token(refresh_token="R2")) is None
    store.save_token(login("山田", refresh_token="r3"))
    assert names(store) == ["jose@x.com", "山田"]


def test_fault_19_sixteen_processes_that_save_one_user_all_succeed(crowd, url):
    results = crowd.run(save_five_times, [(url, "alice")] * 16)
    with SQLAlchemyTokenStore(url) as store:
        (row,) = stored(store)
    assert results == [[row["id"]]] * 16


def test_fault_20_sixteen_users_who_log_in_at_once_leave_sixteen_rows(crowd, url):
    users = [f"user {number}" for number in range(16)]
    ids = crowd.run(save_login, [(url, user) for user in users])
    with SQLAlchemyTokenStore(url) as store:
        assert {row["user_name"]: row["id"] for row in stored(store)} == dict(
            zip(users, ids, strict=True)
        )


def test_fault_21_the_file_is_readable_by_its_owner_only(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
        assert S_IMODE(Path(sqlite_url.removeprefix("sqlite:///")).stat().st_mode) == 0o600


def test_fault_22_processes_that_share_a_file_lose_nothing(crowd, sqlite_url):
    users = [f"user {number}" for number in range(16)]
    crowd.run(save_five_times, [(sqlite_url, user) for user in users])
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert {row["user_name"]: row["access_token"] for row in stored(store)} == {
            user: f"{user}.4" for user in users
        }


def test_fault_23_text_that_cannot_be_stored_harms_no_other_token(store):
    store.save_tokens([login(name) for name in ("alice", "bob", "山田", "🦊")])
    before = stored(store)
    with sdk_error(InvalidTokenError):
        store.save_token(login("half a \ud83d"))
    assert stored(store) == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.find_token(make_token("alice")),
        lambda store: store.find_token_by_id("1"),
        lambda store: store.get_tokens() or None,
        lambda store: store.delete_token("1"),
        lambda store: store.delete_tokens(),
    ],
    ids=["find_token", "find_token_by_id", "get_tokens", "delete_token", "delete_tokens"],
)
def test_fault_24_any_call_may_be_the_first(url, ask):
    with SQLAlchemyTokenStore(url) as store:
        assert ask(store) is None


@pytest.mark.parametrize("name", ["id", "user_name", "refresh_token"])
def test_fault_25_the_name_of_a_column_is_no_id(store, name):
    store.save_tokens([login("alice"), login("bob")])
    assert store.find_token_by_id(name) is None
    store.delete_token(name)
    assert names(store) == ["alice", "bob"]


def test_fault_26_deleting_an_unknown_id_changes_nothing(store):
    store.save_token(login("alice"))
    assert store.delete_token("unknown") is None
    assert names(store) == ["alice"]


def test_fault_27_a_token_that_has_only_an_id_is_filled_in_place(store):
    saved = login("alice")
    store.save_token(saved)
    asked = make_token(id=record(saved).id)
    store.find_token(asked)
    assert known(asked) == known(saved)


def test_fault_28_a_stale_access_token_gives_way_to_the_stored_one(store):
    store.save_token(login("alice", expiry="2000"))
    asked = login("alice", access_token="old", expiry="1000")
    store.find_token(asked)
    assert (record(asked).access_token, record(asked).expiry) == ("1000.access.alice", 2000)


def test_fault_29_removing_a_token_without_an_id_is_an_error(store):
    store.save_token(login("alice"))
    with sdk_error(TokenTypeError, "the id must be text"):
        store.delete_token(None)
    assert names(store) == ["alice"]


def test_fault_30_find_token_returns_the_token(store):
    store.save_token(login("alice"))
    asked = make_token("alice")
    assert store.find_token(asked) is asked


def test_fault_31_calls_that_fail_keep_no_connection(store):
    if isinstance(store, ListTokenStore):
        pytest.skip("a list has no connections")
    kept = []
    for _ in range(10):
        with pytest.raises(SDKException) as caught:
            store.save_token(login("alice", expiry="garbage"))
        kept.append(caught.value)
        with pytest.raises(SDKException) as caught:
            store.find_token(5)
        kept.append(caught.value)
    pool = store._database._connections.engines.autocommit.pool
    assert pool.checkedout() <= 1, "what the next call uses"
