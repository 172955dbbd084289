"""Threads that share the SDK's one initializer are told that they mix up users."""

import threading
import warnings

import pytest

import sdks
from sdks import Application
from support import stored
from zoho_tokenstore.errors import SharedInitializerWarning

STORES = ("list", "sqlite")
ALICE, BOB = "alice@example.com", "bob@example.com"

LOCAL_BY_ITSELF = ("zohocrmsdk5-0", "zohocrmsdk6-0", "zohocrmsdk7-0")
"""Their ``initialize`` is of its thread alone."""


@pytest.fixture
def application(zoho, store, tmp_path):
    return Application(zoho, store, tmp_path)


def in_turns(turns):
    """Call functions one after the other, each in the thread of its name."""
    ended = [threading.Event() for _ in turns]

    def run(thread):
        for number, (name, call) in enumerate(turns):
            if name == thread:
                if number:
                    ended[number - 1].wait(30)
                call()
                ended[number].set()

    threads = [threading.Thread(target=run, args=(name,)) for name in {name for name, _ in turns}]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seen(caplog, turns):
    """Return how often the mix-up is warned of, and how often it is logged."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        in_turns(turns)
    warned = [it for it in caught if issubclass(it.category, SharedInitializerWarning)]
    return len(warned), sum("acting_as" in message for message in caplog.messages)


@pytest.fixture
def visits(application, store):
    """Let each user come back with the refresh token of their login."""
    refresh = {}
    for email in (ALICE, BOB):
        before = {row["refresh_token"] for row in stored(store)}
        application.log_in(email)
        (refresh[email],) = {row["refresh_token"] for row in stored(store)} - before
    sdks.forget()
    return {
        email: (
            lambda email=email: application.visit(
                sdks.new_token(refresh_token=refresh[email]), email
            )
        )
        for email in refresh
    }


def test_threads_of_different_users_are_warned_once(visits, caplog):
    alice, bob = visits[ALICE], visits[BOB]
    once = 0 if sdks.DISTRIBUTION in LOCAL_BY_ITSELF else 1
    assert seen(caplog, [("A", alice), ("B", bob)] * 3) == (once, once)


def test_one_thread_of_many_users_is_not(visits, caplog):
    alice, bob = visits[ALICE], visits[BOB]
    assert seen(caplog, [("A", alice), ("A", bob)] * 3) == (0, 0)


def test_many_threads_of_one_user_are_not(visits, caplog):
    alice = visits[ALICE]
    assert seen(caplog, [("A", alice), ("B", alice)] * 3) == (0, 0)


def test_a_user_who_is_handed_over_is_not(visits, caplog):
    alice, bob = visits[ALICE], visits[BOB]
    assert seen(caplog, [("A", alice), ("B", bob), ("B", bob)]) == (0, 0)


def test_threads_that_act_as_their_users_are_not(store, visits, caplog):
    names = [row.get("user_name") for row in stored(store)]
    if None in names:
        pytest.skip("5-0 does not name users")

    def act_as(name):
        def act():
            with store.acting_as(name):
                Application.read_record()

        return act

    visits[ALICE]()
    alice, bob = map(act_as, names)
    assert seen(caplog, [("A", alice), ("B", bob)] * 3) == (0, 0)
