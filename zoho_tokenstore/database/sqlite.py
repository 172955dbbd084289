"""SQLite as a database for many threads and processes: file mode, WAL, waiting."""

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Engine, event
from sqlalchemy.pool import QueuePool

from zoho_tokenstore.errors import DatabaseUnavailableError, SchemaMissingError

__all__ = ["engine_options", "file_of", "prepare"]

CACHE_KIB: Final = 16_384
"""What a connection may keep in memory. In SQLite's own 2 MiB the six indexes of some thousand new
tokens push each other out."""

BUSY_TIMEOUT: Final = 30.0
"""Seconds that a writer waits for the others; ``?timeout=`` in the URL changes it."""


def engine_options(url: URL) -> dict[str, Any]:
    """Return what ``create_engine`` needs for this SQLite URL.

    A database in memory lives in one connection, which all threads share by taking turns.
    """
    options: dict[str, Any] = {"poolclass": QueuePool}
    connect: dict[str, Any] = {"check_same_thread": False}
    if "timeout" not in url.query:
        connect["timeout"] = BUSY_TIMEOUT
    if file_of(url) is None:
        options |= {"pool_size": 1, "max_overflow": 0}
    else:
        options["max_overflow"] = -1  # every thread may keep one
    return options | {"connect_args": connect}


def file_of(url: URL) -> Path | None:
    """Return the database file of an SQLite URL, ``None`` for a database in memory."""
    name = url.database or ":memory:"
    if name.startswith("file:"):
        name = ":memory:" if url.query.get("mode") == "memory" else unquote(urlsplit(name).path)
    return None if name == ":memory:" else Path(name)


def prepare(engine: Engine, *, create: bool) -> None:
    """Make every new connection of the engine create its file privately and write ahead.

    Args:
        engine: An engine made with :func:`engine_options`.
        create: Whether a missing file may be created.
    """
    path = file_of(engine.url)
    if path is None:
        return
    openable = create and engine.url.query.get("mode") not in ("ro", "rw")

    def open_privately(*_: object) -> None:
        if path.exists():
            return
        if not openable:
            raise SchemaMissingError(
                f"the SQLite file {path} does not exist; create it with: "
                f"{SchemaMissingError.command} --url {engine.url.render_as_string()}"
            )
        _create_private(path)

    event.listen(engine, "do_connect", open_privately)
    event.listen(engine, "connect", _write_ahead)


def _create_private(path: Path) -> None:
    """Create the file readable by its owner only; SQLite gives -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except FileNotFoundError:
        raise DatabaseUnavailableError(
            f"the directory {path.parent} does not exist: create it first"
        ) from None
    except OSError as error:
        raise DatabaseUnavailableError(
            f"cannot create the SQLite file {path}: {error.strerror}"
        ) from error


def _write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    """Let readers go on while somebody writes, and keep what is committed through a power cut."""
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
            time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - jitter, no secret
        else:
            return
