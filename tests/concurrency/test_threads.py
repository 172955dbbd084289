"""Many threads in one process, sharing one store."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import create_engine

from support import login, make_token, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.storage.batches import Batches
from zoho_tokenstore.storage.tokens import TokenTable

THREADS = 32


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
    gc.collect()
    assert sql_store._database._engines.autocommit.pool.checkedout() == 0, "the threads have ended"


def test_five_threads_keep_their_connection_to_a_server_and_none_has_two(server_url):
    all_threads = threading.Barrier(8)
    with SQLAlchemyTokenStore(server_url) as store:
        store.get_tokens()
        pool = store._database._engines.autocommit.pool

        def work(number):
            store.save_token(login(f"user {number}"))
            assert store.find_token(make_token(f"user {number}")) is not None
            all_threads.wait()
            kept = pool.checkedout()
            all_threads.wait()
            return kept

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(work, range(8))) == {5}
        gc.collect()
        assert pool.checkedout() == 1, "this thread's: the others have ended"
        store._database.write(lambda session: session.connection())
        assert pool.checkedout() == 1, "and it writes with what it has"


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
@pytest.mark.parametrize(
    ("sql", "step"), [(TokenTable, "_upsert_alone"), (Batches, "_find_related")]
)
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
