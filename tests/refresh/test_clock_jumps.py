"""The host's clock is put right, or wrong, while the process runs."""

import time

import pytest

from sdks import SETTERS
from support import expires_in, login, make_token, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.clock import LASTS, ClockSkew

HOUR = 3600
ALICE = "alice@example.com"


@pytest.fixture
def clock(monkeypatch):
    """Move the host's clock; the time that passes goes on as it does."""
    real, hours = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + hours[0] * HOUR)

    def move_to(off_by):
        hours[0] = off_by

    return move_to


def in_minutes(number):
    return str(int(time.time() * 1000) + number * 60_000)


def seconds_left(token):
    return int(expires_in(token)) / 1000 - time.time()


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1)])
def test_an_expiry_is_the_same_moment_after_the_clock_has_jumped(shared_url, clock, before, after):
    clock(before)
    with SQLAlchemyTokenStore(shared_url) as store:
        store.save_token(login(ALICE, expiry=in_minutes(30)))
        assert 1700 < seconds_left(store.find_token(make_token(ALICE))) <= 1801
        clock(after)
        assert 1700 < seconds_left(store.find_token(make_token(ALICE))) <= 1801
        token = login("bob", expiry=in_minutes(30))
        store.save_token(token)
        clock(0)
        with SQLAlchemyTokenStore(shared_url) as right:
            assert 1700 < seconds_left(right.find_token(make_token("bob"))) <= 1801


def test_a_save_after_the_jump_is_of_the_new_clock(shared_url, clock):
    clock(-1)
    with SQLAlchemyTokenStore(shared_url) as store:
        token = login(ALICE, expiry=in_minutes(10))
        store.save_token(token)
        clock(0)
        SETTERS["expiry"](token, in_minutes(30))
        store.save_token(token)
        clock(0)
        with SQLAlchemyTokenStore(shared_url) as right:
            (row,) = stored(right)
    assert 1700 < row["expiry"] / 1000 - time.time() <= 1801


def test_the_clocks_are_compared_again_from_time_to_time(monkeypatch):
    skew = ClockSkew()
    assert skew.is_outdated()
    skew.measure(int(time.time() * 1000))
    assert not skew.is_outdated()
    monotonic, wall = time.monotonic, time.time
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + LASTS + 1)
    monkeypatch.setattr(time, "time", lambda: wall() + LASTS + 1)
    assert skew.is_outdated()
