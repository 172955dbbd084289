"""Threads that share the SDK's one initializer are told that they mix up users."""

import threading

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
    events = [threading.Event() for _ in turns]
    raised = []

    def run(thread):
        for number, (name, call) in enumerate(turns):
            if name == thread:
                if number:
                    events[number - 1].wait(30)
                try:
                    call()
                except Warning as warning:
                    raised.append(warning)
                events[number].set()

    threads = [threading.Thread(target=run, args=(name,)) for name in {name for name, _ in turns}]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def seen(caplog, turns):
    raised = in_turns(turns)
    return [it for it in raised if isinstance(it, SharedInitializerWarning)], caplog.messages


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
    warned, messages = seen(caplog, [("A", alice), ("B", bob)] * 3)
    told = [message for message in messages if "acting_as" in message]
    if sdks.DISTRIBUTION in LOCAL_BY_ITSELF:
        assert warned == told == []
    else:
        assert len(told) == 1


def test_one_thread_of_many_users_is_not(visits, caplog):
    alice, bob = visits[ALICE], visits[BOB]
    warned, messages = seen(caplog, [("A", alice), ("A", bob)] * 3)
    assert warned == []
    assert not any("acting_as" in message for message in messages)


def test_many_threads_of_one_user_are_not(visits, caplog):
    alice = visits[ALICE]
    warned, messages = seen(caplog, [("A", alice), ("B", alice)] * 3)
    assert warned == []
    assert not any("acting_as" in message for message in messages)


def test_a_user_who_is_handed_over_is_not(visits, caplog):
    alice, bob = visits[ALICE], visits[BOB]
    warned, messages = seen(caplog, [("A", alice), ("B", bob), ("B", bob)])
    assert warned == []
    assert not any("acting_as" in message for message in messages)


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
    warned, messages = seen(caplog, [("A", alice), ("B", bob)] * 3)
    assert warned == []
    assert not any("acting_as" in message for message in messages)
