"""SQLite that fails: each fault is a clear error, nothing is half-written, the next call works."""

import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, make_url, text

from support import login, make_token, record, sdk_error, stored, wait_until
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    CorruptDatabaseError,
    DatabaseBusyError,
    DatabaseFullError,
    DatabaseUnavailableError,
    ReadOnlyDatabaseError,
    SchemaMissingError,
)


def test_a_missing_directory_is_named_and_the_next_call_works(tmp_path):
    folder = tmp_path / "missing"
    with SQLAlchemyTokenStore(f"sqlite:///{folder / 'tokens.db'}") as store:
        with sdk_error(DatabaseUnavailableError, f"{folder} does not exist"):
            store.save_token(login("alice"))
        folder.mkdir()
        store.save_token(login("alice"))
        assert len(stored(store)) == 1


def test_a_path_that_is_a_directory_is_an_error(tmp_path):
    with (
        SQLAlchemyTokenStore(f"sqlite:///{tmp_path}") as store,
        sdk_error(DatabaseUnavailableError, "cannot be opened"),
    ):
        store.get_tokens()


def test_a_path_below_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with (
        SQLAlchemyTokenStore(f"sqlite:///{tmp_path / 'file' / 'tokens.db'}") as store,
        sdk_error(DatabaseUnavailableError, "Not a directory"),
    ):
        store.get_tokens()


def test_a_read_only_database_can_be_read_and_says_so_when_written(tmp_path, sql_store):
    sql_store.save_token(login("alice"))
    path = tmp_path / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        assert store.find_token(make_token("alice")) is not None
        for call in (
            lambda: store.save_token(login("bob")),
            lambda: store.delete_token("x"),
            store.delete_tokens,
        ):
            with sdk_error(ReadOnlyDatabaseError, "is read-only"):
                call()
        assert len(stored(store)) == 1


def test_a_file_that_is_no_database_is_an_error_and_left_alone(tmp_path, sqlite_url):
    path = tmp_path / "tokens.db"
    path.write_text("these are my notes, not a database\n" * 100)
    with SQLAlchemyTokenStore(sqlite_url) as store:
        with sdk_error(CorruptDatabaseError, "is not an SQLite file"):
            store.save_token(login("alice"))
        assert path.read_text().startswith("these are my notes")
        path.unlink()
        store.save_token(login("alice"))


def test_a_damaged_file_is_an_error(tmp_path, sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_tokens(login(f"user {number}") for number in range(200))
    path = tmp_path / "tokens.db"
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with SQLAlchemyTokenStore(sqlite_url) as store, sdk_error(CorruptDatabaseError, "damaged"):
        store.get_tokens()


def test_a_full_disk_is_an_error_and_everything_saved_stays(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'tokens.db'}")
    pages = 80

    @event.listens_for(engine, "connect")
    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count={pages}")

    store = SQLAlchemyTokenStore(engine)
    saved = []
    with sdk_error(DatabaseFullError, "is full"):
        for number in range(1000):
            store.save_token(login(f"user {number}", redirect_url="x" * 1000))
            saved.append(f"user {number}")
    assert len(saved) > 20
    assert sorted(row["user_name"] for row in stored(store)) == sorted(saved)
    with sdk_error(DatabaseFullError):  # it could not be noted
        store.delete_tokens()
    SQLAlchemyTokenStore(engine, audit=False).delete_tokens()
    store.save_token(login("alice"))
    engine.dispose()


def test_a_lock_held_by_others_is_an_error_after_the_timeout(tmp_path, sqlite_url, sql_store):
    sql_store.save_token(login("alice"))
    other = sqlite3.connect(tmp_path / "tokens.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with SQLAlchemyTokenStore(f"{sqlite_url}?timeout=0.1") as store:
        with sdk_error(DatabaseBusyError, "locked by other writers"):
            store.save_token(login("bob"))
        assert store.find_token(make_token("alice")) is not None, "readers do not wait"
        other.execute("ROLLBACK")
        store.save_token(login("bob"))
    other.close()


def test_a_database_that_is_locked_while_it_is_opened_is_waited_for(tmp_path, sqlite_url):
    other = sqlite3.connect(tmp_path / "tokens.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    release.start()
    with SQLAlchemyTokenStore(f"{sqlite_url}?timeout=0.05") as store:
        store.save_token(login("alice"))
        assert len(stored(store)) == 1
    release.join()
    other.close()


def test_the_file_and_its_companions_are_private(tmp_path):
    before = os.umask(0o000)
    try:
        path = tmp_path / "tokens.db"
        with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
            store.save_token(login("alice"))
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("tokens.db", "tokens.db-wal", "tokens.db-shm"), 0o600)


def test_commits_are_durable_and_readers_do_not_block(sql_store):
    sql_store.save_token(login("alice"))

    def pragmas(session):
        return [
            session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]

    assert sql_store._database.read(pragmas) == ["wal", 2, 30_000]


def save_for_ever(url: str, acknowledged: Path) -> None:
    """Save users, and after each one write down that it is saved."""
    with SQLAlchemyTokenStore(url) as store, acknowledged.open("a") as log:
        for number in range(1_000_000):
            user = f"user {os.getpid()}.{number}"
            store.save_tokens([login(user), login(f"{user}+", refresh_token=f"r {user}")])
            log.write(f"{user}\n")
            log.flush()


def test_what_was_acknowledged_survives_kill_9_in_the_middle_of_saves(crowd, tmp_path, sqlite_url):
    log = tmp_path / "acknowledged"
    for round_ in range(1, 4):
        writers = [crowd.start(save_for_ever, sqlite_url, log) for _ in range(3)]
        wait_until(lambda: log.exists() and log.read_text().count("\n") > 40 * round_)  # noqa: B023
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert store._database.read(
            lambda session: session.scalar(text("PRAGMA integrity_check"))
        ) == ("ok")
        rows = {row["user_name"]: row for row in stored(store)}
        acknowledged = log.read_text().split("\n")[:-1]
        assert len(acknowledged) > 120
        for user in acknowledged:
            assert rows[user]["refresh_token"] == f"1000.refresh.{user}"
            assert rows[f"{user}+"]["refresh_token"] == f"r {user}"
        halves = {name.removesuffix("+") for name in rows}
        assert len(rows) == 2 * len(halves), "no transaction is half there"
        store.save_token(login("afterwards"))


def test_a_transaction_that_fails_stores_nothing_of_itself(sql_store, monkeypatch):
    sql_store.save_token(login("alice"))
    before = stored(sql_store)
    batches = sql_store._opened.tables.tokens._batches
    write = batches._write_plan

    def fail_after_writing(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "_write_plan", fail_after_writing)
    with pytest.raises(KeyboardInterrupt):
        sql_store.save_tokens([login("alice", access_token="half"), login("bob")])
    monkeypatch.undo()
    assert stored(sql_store) == before
    sql_store.save_token(login("alice", access_token="whole"))
    assert record(sql_store.find_token(make_token("alice"))).access_token == "whole"


@pytest.mark.parametrize("url", ["sqlite:///tokens.db", "sqlite:///file:tokens.db?uri=true"])
def test_a_relative_path_is_the_same_file_after_a_change_of_directory(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with SQLAlchemyTokenStore(url) as store, SQLAlchemyTokenStore(url) as late:
        store.save_token(login("alice"))
        monkeypatch.chdir(other)
        store.close()
        assert len(stored(store)) == len(stored(late)) == 1
    assert list(other.iterdir()) == []


def replace_file(sqlite_url, tmp_path, users=()):
    """Put another database file in the place of the one that is open."""
    backup = tmp_path / "backup.db"
    with SQLAlchemyTokenStore(f"sqlite:///{backup}") as store:
        store.get_tokens()
        store.save_tokens([login(user) for user in users])
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"tokens.db{suffix}").unlink(missing_ok=True)
    backup.rename(make_url(sqlite_url).database)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.save_token(login("bob")),
        lambda store: store.save_tokens([login("bob"), login("carol")]),
        lambda store: store.delete_token("x"),
        lambda store: store.delete_tokens(),
    ],
    ids=["save_token", "save_tokens", "delete_token", "delete_tokens"],
)
@pytest.mark.parametrize("audit", [True, False])
def test_a_file_that_was_replaced_is_opened_by_the_next_change(tmp_path, sqlite_url, change, audit):
    with (
        SQLAlchemyTokenStore(sqlite_url, audit=audit) as store,
        SQLAlchemyTokenStore(sqlite_url, audit=audit) as other,
    ):
        for opened in (store, other):
            opened.save_token(login("alice"))
        replace_file(sqlite_url, tmp_path, ["of the backup"])
        change(store)
        with SQLAlchemyTokenStore(f"{sqlite_url}?timeout=5") as fresh:
            expected = stored(fresh)
            assert "alice" not in {row["user_name"] for row in expected}
            assert stored(store) == expected
            other.save_token(login("dave"))
            assert len(stored(fresh)) == len(expected) + 1


def test_a_replaced_file_may_have_other_keys(tmp_path, sqlite_url):
    keyring = Keyring.from_text(Keyring.generate_key())
    with SQLAlchemyTokenStore(sqlite_url, keyring=keyring) as store:
        store.save_token(login(refresh_token="shared"))
        replace_file(sqlite_url, tmp_path)
        store.save_token(login(refresh_token="shared"))
        assert store.find_token(make_token(refresh_token="shared")) is not None
    with SQLAlchemyTokenStore(sqlite_url, keyring=keyring) as store:
        assert store.find_token(make_token(refresh_token="shared")) is not None


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_was_removed_takes_no_more_saves(tmp_path, sqlite_url, create):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.get_tokens()
    with SQLAlchemyTokenStore(sqlite_url, create=create) as store:
        store.save_token(login("alice"))
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"tokens.db{suffix}").unlink(missing_ok=True)
        if create:
            store.save_token(login("bob"))
        else:
            with sdk_error(SchemaMissingError, "does not exist"):
                store.save_token(login("bob"))
    if create:
        with SQLAlchemyTokenStore(sqlite_url) as store:
            assert [row["user_name"] for row in stored(store)] == ["bob"]
