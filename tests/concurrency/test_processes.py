"""Many processes at once, on one database."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from copy import copy, deepcopy
from pickle import dumps, loads

import pytest
from sqlalchemy import create_engine
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException

from support import login, make_token, stored
from zoho_tokenstore import Keyring, RefreshPolicy, SQLAlchemyTokenStore

CROWD = 16


def save_user(url: str, user: str, access: str) -> str:
    with SQLAlchemyTokenStore(url) as store:
        token = login(user, access_token=access)
        store.save_token(token)
        return token.get_id()


def save_nameless(url: str, user: str | None) -> str:
    with SQLAlchemyTokenStore(url) as store:
        token = login(user, refresh_token="same", grant_token="same")
        store.save_token(token)
        return token.get_id()


def save_with_id(url: str, user: str) -> str:
    with SQLAlchemyTokenStore(url) as store:
        try:
            store.save_token(login(user, id="mine"))
        except SDKException as error:
            return type(error.cause).__name__
        return user


def save_many(url: str, name: int) -> int:
    with SQLAlchemyTokenStore(url) as store:
        for number in range(20):
            store.save_token(login(f"user {number % 5}", access_token=f"{name}.{number}"))
            assert store.find_token(make_token(f"user {number % 5}")) is not None
        return name


def read_all(url: str) -> int:
    with SQLAlchemyTokenStore(url) as store:
        return len(store.get_tokens())


def test_sixteen_processes_set_up_one_empty_database(crowd, url):
    assert crowd.run(read_all, [(url,)] * CROWD) == [0] * CROWD
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))


def test_savers_of_one_new_user_all_succeed_and_leave_one_row(crowd, url):
    ids = crowd.run(save_user, [(url, "alice", f"a{n}") for n in range(CROWD)])
    with SQLAlchemyTokenStore(url) as store:
        (row,) = stored(store)
    assert set(ids) == {row["id"]}
    assert row["refresh_token"] == "1000.refresh.alice"


def test_savers_of_different_users_all_leave_their_row(crowd, url):
    users = [f"user {number}" for number in range(CROWD)]
    ids = crowd.run(save_user, [(url, user, f"access of {user}") for user in users])
    with SQLAlchemyTokenStore(url) as store:
        rows = {row["user_name"]: row for row in stored(store)}
    assert sorted(rows) == sorted(users)
    for user, key in zip(users, ids, strict=True):
        assert rows[user]["id"] == key
        assert rows[user]["access_token"] == f"access of {user}"


def test_a_login_saved_with_and_without_its_user_is_one_row(crowd, url):
    crowd.run(save_nameless, [(url, user) for user in ("alice", None) * 4])
    with SQLAlchemyTokenStore(url) as store:
        (row,) = stored(store)
    assert row["user_name"] == "alice"


def test_one_id_chosen_by_many_users_belongs_to_the_first(crowd, url):
    users = [f"user {number}" for number in range(CROWD)]
    results = crowd.run(save_with_id, [(url, user) for user in users])
    with SQLAlchemyTokenStore(url) as store:
        (row,) = stored(store)
    assert sorted(results) == sorted([row["user_name"], *["IdConflictError"] * (CROWD - 1)])
    assert row["refresh_token"] == f"1000.refresh.{row['user_name']}"


def test_readers_and_writers_of_the_same_rows_never_fail(crowd, url):
    assert crowd.run(save_many, [(url, n) for n in range(CROWD)]) == list(range(CROWD))
    with SQLAlchemyTokenStore(url) as store:
        assert len(stored(store)) == 5


def find_refresh_token(store, user):
    return store.find_token(make_token(user)).get_refresh_token()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_store_is_handed_to_another_process(tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    keys = tmp_path / "keys"
    keys.write_text(Keyring.generate_key())
    keys.chmod(0o600)
    with SQLAlchemyTokenStore(
        "sqlite:///tokens.db", table="tokens", keyring=Keyring.from_file(keys), connections=2
    ) as store:
        store.save_token(login("alice"))
        monkeypatch.chdir("/")
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as others:
            found = others.submit(find_refresh_token, store, "alice").result()
    assert found == "1000.refresh.alice"


@pytest.mark.parametrize("copied", [copy, deepcopy, lambda store: loads(dumps(store))])
def test_a_copy_is_a_store_with_the_same_arguments(sqlite_url, copied):
    keyring = Keyring.from_text(Keyring.generate_key())
    with SQLAlchemyTokenStore(database=sqlite_url, keyring=keyring, missing_id="raise") as store:
        store.save_token(login("alice"))
        with copied(store) as other:
            assert other is not store
            assert find_refresh_token(other, "alice") == "1000.refresh.alice"
            with pytest.raises(SDKException):
                other.find_token_by_id("unknown")


def test_what_cannot_travel_is_said(sqlite_url):
    engine = create_engine(sqlite_url)
    with pytest.raises(TypeError, match="pass a database URL"):
        dumps(SQLAlchemyTokenStore(engine))
    keyring = Keyring.from_callable(lambda: f"one:{'A' * 43}")
    with pytest.raises(TypeError, match="its keyring cannot"):
        dumps(SQLAlchemyTokenStore(sqlite_url, keyring=keyring))
    policy = RefreshPolicy(on_event=lambda _: None)
    with pytest.raises(TypeError, match="its refresh cannot"):
        dumps(SQLAlchemyTokenStore(sqlite_url, refresh=policy))
