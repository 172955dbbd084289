"""Refreshes that fail, hang, come late or are too many, with the real SDK and real processes."""

import logging
import os
import signal
import time
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy import update

import sdks
from sdks import SDK, Application, SDKException, new_token
from support import execute, lease_is_held, make_token, stored, wait_until
from zoho_tokenstore import OAuthTokenRow, RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    DatabaseBusyError,
    LoginRequiredError,
    RefreshThrottledError,
    RefreshTimeoutError,
)
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.testing.accounts import Accounts

STORES = ("sqlite", "postgresql", "mariadb")
ALICE = "alice@example.com"
LEASE = companion_table(OAuthTokenRow.__table__, "lease")
SHORT = {"lease": 4.0, "http_timeout": 3.5}


@pytest.fixture
def log_in(url, zoho, tmp_path):
    """Store Alice's login with an access token of a given lifetime; return its row."""

    def log_in(lifetime):
        zoho.accounts.lifetime = lifetime
        with SQLAlchemyTokenStore(url, refresh=None) as store:
            Application(zoho, store, tmp_path).log_in(ALICE)
            (row,) = stored(store)
        sdks.forget()
        zoho.accounts.lifetime = 3600.0
        zoho.requests.clear()
        return row

    return log_in


@pytest.fixture
def worker(url, zoho, tmp_path):
    """Make a worker of this process: an application with a store of its own."""
    stores = []

    def worker(**policy):
        stores.append(SQLAlchemyTokenStore(url, refresh=RefreshPolicy(**policy)))
        return Application(zoho, stores[-1], tmp_path)

    yield worker
    for store in stores:
        store.close()


def again(row):
    return new_token(refresh_token=row["refresh_token"])


def named_login(row, grant_token):
    token = new_token(grant_token=grant_token)
    if "user_name" in row:
        SDK.setters["user_name"](token, row["user_name"])
    return token


def visit(url, zoho, folder, row, policy):
    """Be one worker of another process; return whose record it read, or why it could not."""
    own = folder / str(os.getpid())
    own.mkdir()
    with SQLAlchemyTokenStore(url, refresh=RefreshPolicy(**policy)) as store:
        began = time.monotonic()
        # A row whose grant token is new logs in with it.
        token = named_login(row, row["new_grant"]) if "new_grant" in row else again(row)
        try:
            result = Application(SimpleNamespace(**zoho), store, own).visit(token, ALICE)
        except SDKException as error:
            result = type(error.cause).__name__
        return result, time.monotonic() - began


def arguments(url, zoho, tmp_path, row, **policy):
    where = {"url": zoho.url, "accounts_url": zoho.accounts_url}
    return url, where, tmp_path, row, policy


def test_the_holder_is_killed_and_one_other_takes_over(crowd, url, zoho, tmp_path, log_in):
    row = log_in(lifetime=4.0)
    zoho.delay = 60.0
    holder = crowd.start(visit, *arguments(url, zoho, tmp_path, row, lease=3.0, http_timeout=2.9))
    wait_until(lambda: lease_is_held(url))
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    zoho.delay = 0.2
    visits = crowd.run(visit, [arguments(url, zoho, tmp_path, row, **SHORT)] * 8)
    assert [result for result, _ in visits] == [ALICE] * 8
    assert zoho.count("refresh") == 1, "the killed one's is not answered yet"


def test_what_comes_late_does_not_overwrite_what_is_newer(
    crowd, url, zoho, tmp_path, log_in, monkeypatch
):
    row = log_in(lifetime=4.0)
    arrived, released = Event(), Event()

    def refresh(accounts, form, refresh=Accounts.refresh):
        if not arrived.is_set():
            arrived.set()
            released.wait(60)
        return refresh(accounts, form)

    monkeypatch.setattr(Accounts, "refresh", refresh)
    holder = crowd.start(visit, *arguments(url, zoho, tmp_path, row, **SHORT))
    assert arrived.wait(60)
    os.kill(holder.pid, signal.SIGSTOP)
    ((result, _),) = crowd.run(visit, [arguments(url, zoho, tmp_path, row, **SHORT)])
    assert result == ALICE
    with SQLAlchemyTokenStore(url) as store:
        newer = stored(store)
        assert zoho.count("refresh") == 1, "the second began when the first lease had ended"
        released.set()
        wait_until(lambda: zoho.count("refresh") == 2)
        os.kill(holder.pid, signal.SIGCONT)
        holder.join()
        assert holder.exitcode == 0
        assert stored(store) == newer


def test_a_worker_that_comes_late_goes_on_with_the_newer_token_and_reports_it(
    url, log_in, worker, monkeypatch
):
    row = log_in(lifetime=4.0)
    newer, events = {}, []

    def refresh(accounts, form, refresh=Accounts.refresh):
        """Be the other worker first, whose turn it was as well."""
        newer.update(row | {"access_token": refresh(accounts, form)["access_token"]})
        newer["expiry"] = int(time.time() * 1000) + 3_000_000
        with SQLAlchemyTokenStore(url, refresh=None) as other:
            other.save_token(make_token(**newer))
        execute(url, update(LEASE).values(version=LEASE.c.version + 1, owner="another", until=0))
        late = refresh(accounts, form)
        accounts.revoke(late["access_token"])
        return late

    monkeypatch.setattr(Accounts, "refresh", refresh)
    application = worker(on_event=events.append)
    assert application.visit(again(row), ALICE) == ALICE
    assert stored(application.store) == [newer]
    assert [event.kind for event in events] == ["late"]


def test_a_revoked_refresh_token_fails_every_worker_at_once_and_is_remembered(
    crowd, url, zoho, tmp_path, log_in, worker
):
    row = log_in(lifetime=4.0)
    zoho.refuse(row["refresh_token"])
    zoho.delay = 1.0
    visits = crowd.run(visit, [arguments(url, zoho, tmp_path, row)] * 16)
    assert {result for result, _ in visits} == {"LoginRequiredError"}, "who asked as well"
    assert max(seconds for _, seconds in visits) < RefreshPolicy().lease, (
        "no worker waits for its end"
    )
    assert zoho.count("refresh") == 1
    later = worker()
    with pytest.raises(SDKException, match=r"invalid_code.*log this user in again") as caught:
        later.visit(again(row), ALICE)
    assert isinstance(caught.value.cause, LoginRequiredError)
    assert zoho.count("refresh") == 1
    later.log_in(ALICE)
    assert later.read_record() == ALICE


def test_a_user_named_in_the_call_can_log_in_again_after_a_revocation(zoho, log_in, worker):
    row = log_in(lifetime=4.0)
    zoho.refuse(row["refresh_token"])
    application = worker()
    with pytest.raises(SDKException):
        application.visit(again(row), ALICE)
    token = named_login(row, zoho.grant(ALICE))
    assert application.visit(token, ALICE) == application.read_record() == ALICE
    if "user_name" in row:
        (after,) = stored(application.store)
        assert after["id"] == row["id"]
        assert after["refresh_token"] != row["refresh_token"]


def test_workers_that_log_in_again_after_a_revocation_send_their_grant_token_once(
    crowd, url, zoho, tmp_path, log_in, worker
):
    row = log_in(lifetime=4.0)
    zoho.refuse(row["refresh_token"])
    with pytest.raises(SDKException):
        worker().visit(again(row), ALICE)
    zoho.requests.clear()
    zoho.delay = 1.0
    row["new_grant"] = zoho.grant(ALICE)
    visits = crowd.run(visit, [arguments(url, zoho, tmp_path, row)] * 4)
    assert [result for result, _ in visits] == [ALICE] * 4
    assert zoho.count("grant") == 1


def test_an_early_refresh_that_fails_leaves_the_valid_token(zoho, log_in, worker):
    row = log_in(lifetime=200.0)
    zoho.refuse(row["refresh_token"])
    application = worker()
    assert application.visit(again(row), ALICE) == application.read_record() == ALICE
    assert stored(application.store) == [row]
    assert zoho.count("refresh") == 1, "and it is not tried again at once"


def test_a_token_that_lives_for_less_than_the_early_window_is_not_refreshed_on_every_call(
    zoho, worker
):
    zoho.accounts.lifetime = 60.0
    application = worker()
    application.log_in(ALICE)
    for _ in range(3):
        assert application.read_record() == ALICE
    assert zoho.count("refresh") == 0


def test_zoho_hangs_and_the_call_ends(zoho, log_in, worker):
    row = log_in(lifetime=4.0)
    zoho.delay = 60.0
    application = worker(http_timeout=0.3)
    with pytest.raises(SDKException):
        application.visit(again(row), ALICE)
    assert zoho.count("refresh") == 0, "the SDK alone would wait for the answer"
    assert not lease_is_held(str(application.store._database.url))
    zoho.delay = 0.0
    assert application.visit(again(row), ALICE) == ALICE


def test_zohos_throttle_is_a_pause_for_every_worker(zoho, log_in, worker):
    row = log_in(lifetime=4.0)
    zoho.accounts.throttle = 1  # the login was the one
    one, other = worker(cooldown=60.0), worker()
    with pytest.raises(SDKException, match="Access Denied"):
        one.visit(again(row), ALICE)
    for application in (one, other):
        with pytest.raises(SDKException, match="refresh limit is reached") as caught:
            application.visit(again(row), ALICE)
        assert isinstance(caught.value.cause, RefreshThrottledError)
        assert 0 < caught.value.cause.seconds <= 60
    assert zoho.count("refresh") == 1


def test_there_are_no_more_refreshes_than_the_budget_allows(zoho, log_in, worker):
    row = log_in(lifetime=4.0)
    zoho.accounts.lifetime = 4.0  # what is refreshed has expired at once, as the SDKs see it
    application = worker(budget=3, budget_window=100.0)
    with pytest.raises(SDKException, match=r"retry in \d+ seconds") as caught:
        visit_often(application, row)
    assert isinstance(caught.value.cause, RefreshThrottledError)
    assert 0 < caught.value.cause.seconds <= 100
    assert zoho.count("refresh") == 3


def visit_often(application, row):
    for _ in range(4):
        application.visit(again(row), ALICE)


def test_a_worker_that_has_waited_too_long_gets_an_error_and_does_not_refresh(
    crowd, url, zoho, tmp_path, log_in, worker
):
    row = log_in(lifetime=4.0)
    zoho.delay = 4.0
    holder = crowd.start(visit, *arguments(url, zoho, tmp_path, row))
    wait_until(lambda: lease_is_held(url))
    with pytest.raises(SDKException) as caught:
        worker(wait=0.5).visit(again(row), ALICE)
    assert isinstance(caught.value.cause, RefreshTimeoutError)
    holder.join()
    assert zoho.count("refresh") == 1


@pytest.mark.skipif(not sdks.NAMES_USERS, reason="this SDK does not swallow what a save raises")
def test_a_login_that_the_sdk_could_not_save_is_saved_at_the_next_call(zoho, worker, monkeypatch):
    application = worker()
    monkeypatch.setattr(logging.getLogger("SDKLogger"), "propagate", False)
    with monkeypatch.context() as broken:
        broken.setattr(application.store._refreshes, "save_claimed", fail_to_save)
        application.initialize(new_token(grant_token=zoho.grant(ALICE)), ALICE)
    assert stored(application.store) == []
    assert application.read_record() == ALICE
    (row,) = stored(application.store)
    assert row["user_name"] == sdks.user_name(ALICE)
    assert zoho.count("grant") == 1


def fail_to_save(*_):
    raise DatabaseBusyError("the test has it so")


def test_a_database_that_cannot_be_written_costs_no_grant_token(zoho, tmp_path):
    import sqlite3

    database = tmp_path / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///{database}?timeout=0.1") as store:
        store.get_tokens()
        application = Application(zoho, store, tmp_path)
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        token = new_token(grant_token=zoho.grant(ALICE))
        with pytest.raises(SDKException) as caught:
            application.visit(token, ALICE)
        assert isinstance(caught.value.cause, DatabaseBusyError)
        assert zoho.count("grant") == 0
        other.execute("ROLLBACK")
        other.close()
        assert application.visit(token, ALICE) == ALICE


def test_without_a_policy_every_worker_is_left_to_itself(url, zoho, tmp_path, log_in):
    row = log_in(lifetime=4.0)
    with SQLAlchemyTokenStore(url, refresh=None) as store:
        application = Application(zoho, store, tmp_path)
        assert application.visit(again(row), ALICE) == ALICE
        assert not lease_is_held(url)


def test_what_happens_is_logged_and_counted_without_secrets(zoho, log_in, worker, caplog):
    caplog.set_level(logging.INFO, "zoho_tokenstore.refresh")
    events = []
    row = log_in(lifetime=4.0)
    application = worker(on_event=events.append)
    application.visit(again(row), ALICE)
    zoho.refuse(row["refresh_token"])
    (refreshed,) = stored(application.store)
    assert [(event.kind, event.token_id) for event in events] == [("refreshed", row["id"])]
    assert f"token {row['id']}: refreshed in " in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name == "zoho_tokenstore.refresh"]
    for secret in (row["refresh_token"], row["access_token"], refreshed["access_token"]):
        assert not [message for message in ours if secret in message]
