"""Many threads in one process, sharing one store."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import create_engine, event

from support import login, make_token, sdk_error, stored, wait_until
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database import sessions
from zoho_tokenstore.errors import ConfigurationError, DatabaseBusyError
from zoho_tokenstore.storage.batches import Batches
from zoho_tokenstore.storage.tokens import TokenTable

THREADS = 32
MIGRATION = 1
"""The connection that sets an empty database up."""


def at_once(work, count=THREADS):
    barrier = threading.Barrier(count)

    def attend(number):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(attend, range(count)))


def test_threads_share_any_store(store):
    def work(number):
        token = login(f"user {number % 8}", access_token=f"access {number}")
        store.save_token(token)
        return store.find_token_by_id(token.get_id()).get_user_signature().get_name()

    assert at_once(work) == [f"user {number % 8}" for number in range(THREADS)]
    assert len(stored(store)) == 8


def test_threads_that_meet_an_empty_database_set_it_up_once(store):
    assert at_once(lambda _: store.get_tokens()) == [[]] * THREADS


def test_no_connection_stays_checked_out(sql_store):
    def work(number):
        sql_store.save_token(login(f"user {number}"))
        next(sql_store.iter_tokens())
        with pytest.raises(Exception, match="TOKEN_STORE"):
            sql_store.save_token(None)
        return sql_store.find_token(make_token("nobody"))

    at_once(work)
    assert sql_store._database._connections.engines.autocommit.pool.checkedout() <= 10
    sql_store.close()
    gc.collect()  # an iterator that was left where it was
    assert sql_store._database._connections.engines.autocommit.pool.checkedout() == 0


@contextmanager
def opened(store):
    """Count the connections that a store opens."""
    opened = []
    pool = store._database._connections.engines.autocommit.pool
    event.listen(pool, "connect", lambda *_: opened.append(1))
    yield opened


def test_threads_open_no_more_connections_than_they_may_and_none_twice(url):
    with SQLAlchemyTokenStore(url, connections=4) as store, opened(store) as connections:
        store.save_tokens([login(f"user {number}") for number in range(THREADS)])

        def work(number):
            for _ in range(10):
                found = store.find_token(make_token(f"user {number}"))
                assert found.get_refresh_token() == f"1000.refresh.user {number}"

        for _ in range(3):  # other threads each time
            at_once(work)
        assert 1 <= len(connections) <= 4 + MIGRATION
        assert store._database._connections.engines.autocommit.pool.checkedout() <= 4


def test_a_thread_waits_for_a_connection_and_says_so_when_it_gets_none(url, monkeypatch):
    monkeypatch.setattr(sessions, "WAIT_SECONDS", 0.1)
    with (
        SQLAlchemyTokenStore(url, connections=1) as store,
        ThreadPoolExecutor(1) as other,
        busy(store),
        sdk_error(DatabaseBusyError, "ZOHO_TOKENSTORE_CONNECTIONS, or use fewer"),
    ):
        other.submit(store.get_tokens).result()
    with SQLAlchemyTokenStore(url, connections=1) as store, ThreadPoolExecutor(1) as other:
        monkeypatch.setattr(sessions, "WAIT_SECONDS", 30)
        with busy(store):
            waiting = other.submit(store.get_tokens)
            wait_until(lambda: store._database._connections.sessions._waiting == 1)
        assert waiting.result() == []


@contextmanager
def busy(store):
    """Keep a connection of the store in use by another thread."""
    done, begun = threading.Event(), threading.Event()

    def work(session):
        session.connection()
        begun.set()
        done.wait()

    store.get_tokens()
    with ThreadPoolExecutor(1) as threads:
        using = threads.submit(store._database.read, work)
        begun.wait()
        try:
            yield
        finally:
            done.set()
    using.result()


def test_stores_of_one_url_share_their_connections_and_the_last_one_closes_them(url):
    first = SQLAlchemyTokenStore(url)
    first.save_token(login("alice"))
    pool = first._database._connections.engines.autocommit.pool
    with opened(first) as connections:
        for _ in range(20):
            store = SQLAlchemyTokenStore(url)
            assert store.find_token(make_token("alice")).get_refresh_token() is not None
        assert connections == []
    assert pool.checkedout() == 1
    del first
    gc.collect()
    assert store.find_token(make_token("alice")) is not None
    assert pool.checkedout() == 1
    del store
    gc.collect()
    assert (pool.checkedout(), pool.checkedin()) == (0, 0)


def test_stores_that_may_hold_different_numbers_share_nothing(sqlite_url):
    with (
        SQLAlchemyTokenStore(sqlite_url) as one,
        SQLAlchemyTokenStore(sqlite_url, connections=2) as other,
    ):
        assert one._database._connections is not other._database._connections


@pytest.mark.parametrize("connections", [0, -1, 1.5, True, "5", None])
def test_the_number_of_connections_is_checked(sqlite_url, connections):
    with pytest.raises(ConfigurationError, match="connections must be a whole number from 1"):
        SQLAlchemyTokenStore(sqlite_url, connections=connections)


def test_a_save_is_finished_when_another_thread_closes_the_store(url, monkeypatch):
    original = TokenTable._upsert_alone

    def upsert(*arguments):
        key = original(*arguments)
        with ThreadPoolExecutor(1) as others:
            others.submit(store.close).result()
        return key

    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        monkeypatch.setattr(TokenTable, "_upsert_alone", upsert)
        store.save_token(login("bob"))
        assert store.find_token(make_token("bob")) is not None


def test_a_store_on_the_callers_engine_keeps_no_connection(sqlite_url):
    engine = create_engine(sqlite_url)
    store = SQLAlchemyTokenStore(engine)
    store.save_token(login("alice"))
    next(store.iter_tokens())
    assert store.find_token(make_token("nobody")) is None
    assert engine.pool.checkedout() == 0
    engine.dispose()


@pytest.mark.parametrize("others", [0, 1], ids=["one token", "a batch"])
@pytest.mark.parametrize(("sql", "step"), [(TokenTable, "_upsert_alone"), (Batches, "_new_plan")])
def test_savers_who_have_not_seen_each_other_end_as_if_one_came_first(
    url, monkeypatch, others, sql, step
):
    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
        both_are_there = threading.Barrier(2)
        original = getattr(sql, step)

        def wait_for_the_other(*arguments):
            result = original(*arguments)
            with suppress(threading.BrokenBarrierError):  # where the second has to wait
                both_are_there.wait(1)
            return result

        monkeypatch.setattr(sql, step, wait_for_the_other)
        users = ("alice", None)

        def save(number):
            tokens = [login(f"other {number}") for _ in range(others)]
            store.save_tokens([*tokens, login(users[number], refresh_token="same")])

        at_once(save, 2)
        monkeypatch.undo()
        (row,) = (row for row in stored(store) if row["refresh_token"] == "same")
        assert row["user_name"] == "alice"


def test_two_stores_in_memory_are_two_databases():
    with SQLAlchemyTokenStore("sqlite://") as one, SQLAlchemyTokenStore("sqlite://") as other:
        one.save_token(login("alice"))
        assert stored(other) == []
