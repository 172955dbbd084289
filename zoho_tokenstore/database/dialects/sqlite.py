"""SQLite as a database for many threads and processes: file mode, WAL, waiting."""

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import (
    JSON,
    URL,
    Column,
    ColumnElement,
    Engine,
    Insert,
    Select,
    Table,
    bindparam,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from zoho_tokenstore.database.dialects.backend import Backend, Fault, MergedColumns
from zoho_tokenstore.errors import (
    CorruptDatabaseError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailableError,
    ReadOnlyDatabaseError,
    SchemaMissingError,
)

__all__ = ["BACKEND"]

_jitter: Final = SystemRandom()

CACHE_KIB: Final = 16_384
"""Page cache of a connection. In SQLite's own 2 MiB the six indexes of some thousand new tokens
evict each other."""

BUSY_TIMEOUT: Final = 30.0
"""Seconds that a writer waits for the others; ``?timeout=`` in the URL changes it."""

LOCKED: Final[Fault] = (DatabaseBusyError, "is locked by other writers; retry")
FAULTS: Final[Mapping[int, Fault]] = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_READONLY: (
        ReadOnlyDatabaseError,
        "is read-only: check the permissions of the file and its folder",
    ),
    sqlite3.SQLITE_FULL: (DatabaseFullError, "is full: free disk space"),
    sqlite3.SQLITE_CORRUPT: (CorruptDatabaseError, "is damaged: restore the file from a backup"),
    sqlite3.SQLITE_NOTADB: (CorruptDatabaseError, "is not an SQLite file: check the path"),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseUnavailableError,
        "cannot be opened: check the path and its permissions",
    ),
    sqlite3.SQLITE_IOERR: (
        DatabaseUnavailableError,
        "has an I/O error: check the disk and its free space",
    ),
}
"""SQLite's primary result codes (https://sqlite.org/rescode.html)."""


class SQLite(Backend):
    """One writer at a time, concurrently with any number of readers."""

    # A transaction that begins as a reader and writes later fails with SQLITE_BUSY, without
    # waiting, when another worker has written in between.
    begin_write: ClassVar[tuple[str, ...]] = ("BEGIN IMMEDIATE",)
    begin_migration: ClassVar[tuple[str, ...]] = ("BEGIN IMMEDIATE",)
    # unixepoch('subsec') would be shorter and needs SQLite 3.42.
    epoch_milliseconds: ClassVar[str] = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    keeps_time_zone: ClassVar[bool] = False

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Return the options of a pool; a database in memory lives in one shared connection."""
        options: dict[str, Any] = {"poolclass": QueuePool}
        connect: dict[str, Any] = {"check_same_thread": False}
        if "timeout" not in url.query:
            connect["timeout"] = BUSY_TIMEOUT
        if self.is_in_memory(url):
            options |= {"pool_size": 1, "max_overflow": 0}
        return options | {"connect_args": connect}

    def prepare(self, engine: Engine, *, create: bool) -> None:
        """Create the file privately, and write ahead on every connection."""
        path = self.file_of(engine.url)
        if path is None:
            return
        openable = create and engine.url.query.get("mode") not in ("ro", "rw")

        def open_privately(*_: object) -> None:
            if path.exists():
                return
            if not openable:
                raise SchemaMissingError(
                    f"SQLite file {path} does not exist: run {SchemaMissingError.command} --url "
                    f"{engine.url.render_as_string()}"
                )
            _create_private_file(path)

        event.listen(engine, "do_connect", open_privately)
        event.listen(engine, "connect", _write_ahead)

    def file_of(self, url: URL) -> Path | None:
        """Return the database file, ``None`` for a database in memory."""
        name = url.database or ":memory:"
        if name.startswith("file:"):
            name = ":memory:" if url.query.get("mode") == "memory" else unquote(urlsplit(name).path)
        return None if name == ":memory:" else Path(name)

    def absolute_url(self, url: URL) -> URL:
        """Return the URL with the file's absolute path."""
        path = self.file_of(url)
        if path is None or path.is_absolute():
            return url
        is_uri = (url.database or "").startswith("file:")
        absolute = f"file:{quote(str(path.absolute()))}" if is_uri else str(path.absolute())
        return url.set(database=absolute)

    def is_in_memory(self, url: URL) -> bool:
        """Return whether the database ends with its connection."""
        return self.file_of(url) is None

    def read_only_url(self, url: URL) -> URL:
        """Return the URL that opens the file for reading only."""
        path = self.file_of(url)
        if path is None:
            return url
        query = {"mode": "ro", "uri": "true"}
        return URL.create(url.drivername, database=f"file:{quote(str(path))}", query=query)

    def journal_mode(self, session: Session) -> str | None:
        """Return the journal mode: ``"wal"``, unless the file cannot have it."""
        return str(session.scalar(text("PRAGMA journal_mode")))

    def one_of(self, column: Column[Any]) -> ColumnElement[bool]:
        """Build the condition with one JSON array instead of hundreds of parameters."""
        array = func.json_each(bindparam(column.name, type_=JSON)).table_valued("value")
        return column.in_(select(array.c.value))

    def upsert(
        self, table: Table, names: Sequence[str], rows: Select[Any], merged: MergedColumns
    ) -> Insert | None:
        """Build ``ON CONFLICT DO UPDATE``."""
        conflict = insert(table).from_select(names, rows)
        return conflict.on_conflict_do_update(
            index_elements=[table.c.identity_digest], set_=merged(conflict.excluded)
        )

    def code_of(self, error: DBAPIError) -> str | int | None:
        """Return SQLite's primary result code."""
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF

    def fault_of(self, error: DBAPIError, url: URL) -> Fault:
        """Return the error for the result code."""
        known = FAULTS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
        return known or (DatabaseError, f"failed: {error.orig}")


def _create_private_file(path: Path) -> None:
    # SQLite gives -wal and -shm the same mode.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except FileNotFoundError:
        raise DatabaseUnavailableError(f"folder {path.parent} does not exist: create it") from None
    except OSError as error:
        raise DatabaseUnavailableError(
            f"SQLite file {path} cannot be created: {error.strerror}"
        ) from error


def _write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    """Let readers run concurrently with a writer, and keep commits through a power cut."""
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for its busy timeout here when several connections switch a new file.
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
                return
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_jitter.uniform(0.002, 0.02))
        else:
            return


BACKEND: Final = SQLite()
