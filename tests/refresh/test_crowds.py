"""Crowds of workers that meet one token, with the real SDK in each: one of them asks Zoho."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import sdks
from sdks import Application, new_token
from support import address, make_token, record, stored, visit
from zoho_tokenstore import SQLAlchemyTokenStore

ALICE = "alice@example.com"


@pytest.fixture
def alice(url, zoho, tmp_path):
    """A stored login, and what a worker needs to know."""

    def log_in(lifetime):
        zoho.accounts.lifetime = lifetime
        with SQLAlchemyTokenStore(url, refresh=None) as store:
            Application(zoho, store, tmp_path).log_in(ALICE)
            (row,) = stored(store)
        sdks.forget()
        zoho.accounts.lifetime = 3600.0
        zoho.requests.clear()
        return row, (url, address(zoho), tmp_path, {"refresh_token": row["refresh_token"]})

    return log_in


def test_threads_that_meet_an_expired_token_send_one_refresh(url, zoho, tmp_path):
    zoho.accounts.lifetime = 4.0
    with SQLAlchemyTokenStore(url) as store:
        application = Application(zoho, store, tmp_path)
        application.log_in(ALICE)
        zoho.accounts.lifetime = 3600.0
        zoho.requests.clear()
        zoho.delay = 1.0
        with ThreadPoolExecutor(32) as threads:
            emails = list(threads.map(lambda _: application.read_record(), range(32)))
    assert emails == [ALICE] * 32
    assert zoho.count("refresh") == 1


def test_a_process_that_has_logged_in_uses_what_another_has_refreshed(url, zoho, tmp_path):
    zoho.accounts.lifetime = 4.0
    with SQLAlchemyTokenStore(url) as one, SQLAlchemyTokenStore(url) as other:
        application = Application(zoho, one, tmp_path)
        token = application.log_in(ALICE)
        (row,) = stored(one)
        zoho.accounts.lifetime = 3600.0
        zoho.requests.clear()
        sdks.forget()
        refreshing = Application(zoho, other, tmp_path)
        assert refreshing.visit(new_token(refresh_token=row["refresh_token"]), ALICE) == ALICE
        sdks.forget()
        assert application.visit(token, ALICE) == ALICE
        assert zoho.count("refresh") == 1


@pytest.mark.parametrize("hours_wrong", [-1, 1])
def test_a_host_whose_clock_is_wrong_refreshes_neither_too_early_nor_too_late(
    server_url, zoho, tmp_path, monkeypatch, hours_wrong
):
    real = time.time
    with SQLAlchemyTokenStore(server_url) as store:
        Application(zoho, store, tmp_path).log_in(ALICE)
        (row,) = stored(store)
    sdks.forget()
    monkeypatch.setattr(time, "time", lambda: real() + hours_wrong * 3600)
    with SQLAlchemyTokenStore(server_url) as wrong:
        application = Application(zoho, wrong, tmp_path)
        again = new_token(refresh_token=row["refresh_token"])
        application.initialize(again, ALICE)
        assert zoho.count("refresh") == 0
        token = wrong.find_token(make_token(refresh_token=row["refresh_token"]))
        sdks.SETTERS["expiry"](token, str(int(time.time() * 1000) - 1000))
        wrong.save_token(token)
        assert wrong._refreshes.coordinator.is_due(wrong._find_record(record(token)))
    monkeypatch.undo()
    with SQLAlchemyTokenStore(server_url) as right:
        (row,) = stored(right)
        assert abs(row["expiry"] - real() * 1000) < 60_000, "as this host's clock has it"


@pytest.mark.parametrize("processes", [16, pytest.param(64, marks=pytest.mark.large)])
def test_processes_that_meet_an_expired_token_send_one_refresh(crowd, zoho, alice, processes):
    _, arguments = alice(lifetime=4.0)
    zoho.delay = 1.0
    visits = crowd.run(visit, [arguments] * processes)
    assert [email for email, _ in visits] == [ALICE] * processes
    assert zoho.count("refresh") == 1


def test_processes_in_the_early_window_send_one_refresh_and_do_not_wait(crowd, zoho, alice):
    _, arguments = alice(lifetime=200.0)
    zoho.delay = 8.0
    visits = crowd.run(visit, [arguments] * 16)
    assert [email for email, _ in visits] == [ALICE] * 16
    assert zoho.count("refresh") == 1
    assert len([seconds for _, seconds in visits if seconds >= 8.0]) == 1, "who refreshed"


def test_processes_with_one_new_grant_token_send_one_exchange(crowd, url, zoho, tmp_path):
    zoho.delay = 1.0
    grant = {"grant_token": zoho.grant(ALICE)}
    visits = crowd.run(visit, [(url, address(zoho), tmp_path, grant)] * 16)
    assert [email for email, _ in visits] == [ALICE] * 16
    assert (zoho.count("grant"), zoho.count("refresh")) == (1, 0)
