"""A forked process uses the store of its parent, and waits for none of its threads."""

import os
import signal
from contextlib import contextmanager
from functools import partial
from threading import Thread

import pytest
from sqlalchemy import create_engine

from support import lease_is_held, logged_in, login, make_token, stored, wait_until
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.sdk import acting
from zoho_tokenstore.storage.audit import entry_ids
from zoho_tokenstore.testing import ListTokenStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")

PATIENCE = 20
"""Seconds for a child; a store waits for another thread's refresh for up to 45 s."""

ALICE = "alice@example.com"


def fork_to(work):
    """Do some work in a child; return a function that waits for its end and returns its status."""
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is not written
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(PATIENCE)
            work()
            status = 0
        finally:
            os._exit(status)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def opened_by_engine(url):
    engine = create_engine(url)
    with SQLAlchemyTokenStore(engine) as store:
        yield store
    engine.dispose()


@pytest.mark.parametrize("opened", [SQLAlchemyTokenStore, opened_by_engine])
def test_children_and_their_parent_use_a_store_that_was_used_before_the_fork(url, opened):
    with opened(url) as store:
        store.save_tokens([login(f"user {number}") for number in range(4)])

        def look_up(number):
            for _ in range(50):
                found = store.find_token(make_token(f"user {number}"))
                assert found.get_refresh_token() == f"1000.refresh.user {number}"

        def work(number):
            assert store._database._connections.engines.autocommit.pool.checkedin() == 0
            store.save_token(login(f"child {number}"))
            look_up(number)

        statuses = [fork_to(partial(work, number)) for number in range(3)]
        look_up(3)
        assert [status() for status in statuses] == [0, 0, 0]
        assert len(stored(store)) == 4 + 3


def test_a_child_waits_for_a_refresh_of_its_parent_as_for_that_of_any_process(url, zoho):
    with SQLAlchemyTokenStore(url, accounts_url=zoho.accounts_url) as store:
        logged_in(zoho, store, ALICE, expiry="1000")
        zoho.delay = 3.0
        refreshing = Thread(target=store.access_token, args=[ALICE])
        refreshing.start()
        wait_until(lambda: lease_is_held(url))
        status = fork_to(lambda: store.access_token(ALICE))
        assert status() == 0
        refreshing.join()
    assert len(zoho.requests) == 1


LOCKS = {
    "a first use": lambda store: store._opened._setting_up,
    "a migration": lambda _: migrations._alembic,
    "a lookup of a token that is due": lambda store: (
        store._access_tokens._coordinator._single_flight._lock
    ),
    "a save": lambda _: entry_ids._lock,
    "a switch to a user": lambda _: acting._loading,
}


@pytest.mark.parametrize("moment", LOCKS)
def test_a_fork_in_the_middle_of_a_threads_work_leaves_the_child_nothing_to_wait_for(
    sqlite_url, zoho, moment
):
    elsewhere = ListTokenStore()
    logged_in(zoho, elsewhere, ALICE, expiry="1000")
    (token,) = elsewhere.get_tokens()
    with SQLAlchemyTokenStore(sqlite_url, accounts_url=zoho.accounts_url) as store:

        def work():
            store.save_token(token)
            assert store.access_token(ALICE).value
            with store.acting_as(ALICE):
                pass

        with LOCKS[moment](store):  # as another thread holds it
            status = fork_to(work)
        assert status() == 0


def test_a_list_is_read_in_a_child_whatever_a_thread_of_its_parent_was_doing():
    store = ListTokenStore()
    with store._lock:
        status = fork_to(store.get_tokens)
    assert status() == 0
