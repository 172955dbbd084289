"""``audit_retention``: old entries are deleted by the writes of any process, page by page."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from support import execute, login
from tables import AUDIT, DAY, move_entries, save
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import ConfigurationError, DatabaseUnavailableError
from zoho_tokenstore.storage import retention
from zoho_tokenstore.storage.audit import PAGE_SIZE, AuditLog

MONTH = timedelta(days=30)


def entries(url):
    return sorted(user for (user,) in execute(url, select(AUDIT.c.user_name)))


def test_a_save_deletes_what_is_older(shared_url):
    save(shared_url, login("alice"))
    move_entries(shared_url, 40 * DAY)
    save(shared_url, login("bob"))
    assert entries(shared_url) == ["alice", "bob"]
    with SQLAlchemyTokenStore(shared_url, audit_retention=MONTH) as store:
        store.get_tokens()
        assert entries(shared_url) == ["alice", "bob"], "a read deletes nothing"
        store.save_token(login("carol"))
    assert entries(shared_url) == ["bob", "carol"]


@pytest.mark.parametrize("work", ["delete_token", "delete_tokens", "save_tokens"])
def test_every_write_does(sqlite_url, work):
    (key,) = save(sqlite_url, login("alice"))
    move_entries(sqlite_url, 40 * DAY)
    arguments = {"delete_token": [key], "delete_tokens": [], "save_tokens": [[login("bob")]]}
    with SQLAlchemyTokenStore(sqlite_url, audit_retention=MONTH) as store:
        getattr(store, work)(*arguments[work])
    assert len(entries(sqlite_url)) == 1


def test_it_happens_once_an_hour_unless_there_is_more(sqlite_url, monkeypatch):
    now, pages = 1000.0, [PAGE_SIZE, PAGE_SIZE, 5, 7]
    monkeypatch.setattr(retention.time, "monotonic", lambda: now)
    monkeypatch.setattr(AuditLog, "delete_entries", lambda *_: pages.pop(0))
    with SQLAlchemyTokenStore(sqlite_url, audit_retention=MONTH) as store:
        for expected in (3, 2, 1, 1, 1):
            store.save_token(login("alice"))
            assert len(pages) == expected
        now += retention.PAUSE + 1
        store.save_token(login("alice"))
    assert pages == []


def test_a_failure_is_logged_and_the_token_is_saved(sqlite_url, monkeypatch, caplog):
    def fail(*_):
        raise DatabaseUnavailableError("no DELETE privilege")

    monkeypatch.setattr(AuditLog, "delete_entries", fail)
    with SQLAlchemyTokenStore(sqlite_url, audit_retention=MONTH) as store:
        store.save_token(login("alice"))
        store.save_token(login("bob"))
        assert len(store.get_tokens()) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "old audit entries could not be deleted: no DELETE privilege"
    ]


def test_it_is_a_setting(sqlite_url):
    save(sqlite_url, login("alice"))
    move_entries(sqlite_url, 40 * DAY)
    environ = {"ZOHO_TOKENSTORE_URL": sqlite_url}
    for value, left in (("", 2), ("50d", 3), ("30d", 3)):
        settings = environ | {"ZOHO_TOKENSTORE_AUDIT_RETENTION": value}
        with SQLAlchemyTokenStore.from_env(settings) as store:
            store.save_token(login("bob"))
        assert len(entries(sqlite_url)) == left, value


@pytest.mark.parametrize("limit", [0, 30, "30d", timedelta(0), -DAY, timedelta.max], ids=repr)
def test_another_limit_is_a_configuration_error(limit):
    with pytest.raises(ConfigurationError, match=r"audit_retention=.*pass a positive timedelta"):
        SQLAlchemyTokenStore("sqlite://", audit_retention=limit)


@pytest.mark.parametrize("value", ["30", "0d", "-1d", "month"])
def test_another_duration_is_a_configuration_error(value):
    environ = {"ZOHO_TOKENSTORE_URL": "sqlite://", "ZOHO_TOKENSTORE_AUDIT_RETENTION": value}
    with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_AUDIT_RETENTION"):
        SQLAlchemyTokenStore.from_env(environ)
