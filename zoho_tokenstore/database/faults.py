"""What a failed database call means: SQLAlchemy's and the drivers' errors as errors of ours."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from zoho_tokenstore.errors import (
    CorruptDatabaseError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailableError,
    ReadOnlyDatabaseError,
)

__all__ = ["describe", "is_stale", "is_transient", "translate"]

BY_SQLITE_CODE: Final[Mapping[int, tuple[type[DatabaseError], str]]] = {
    sqlite3.SQLITE_BUSY: (DatabaseBusyError, "is locked by other writers; try again"),
    sqlite3.SQLITE_LOCKED: (DatabaseBusyError, "is locked by other writers; try again"),
    sqlite3.SQLITE_READONLY: (ReadOnlyDatabaseError, "cannot be written: check the file's mode"),
    sqlite3.SQLITE_FULL: (DatabaseFullError, "has no room left: free some disk space"),
    sqlite3.SQLITE_CORRUPT: (CorruptDatabaseError, "is damaged: restore the file from a backup"),
    sqlite3.SQLITE_NOTADB: (CorruptDatabaseError, "is not an SQLite file: check the path"),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseUnavailableError,
        "cannot be opened: check that the path is a file and that it may be read and written",
    ),
    sqlite3.SQLITE_IOERR: (
        DatabaseUnavailableError,
        "cannot be read or written: the disk fails or is full",
    ),
}
"""SQLite's primary result codes (https://sqlite.org/rescode.html)."""


TRANSIENT: Final = frozenset(
    {
        "40001",  # PostgreSQL: could not serialize access
        "40P01",  # PostgreSQL: deadlock
        "23505",  # PostgreSQL: unique key; somebody inserted the same login first
        1020,  # MariaDB 11.8: record has changed since last read
        1062,  # MySQL: duplicate entry; as above
        1205,  # MySQL: lock wait timeout
        1213,  # MySQL: deadlock; Galera: lost against another node
        3101,  # MySQL: Group Replication lost against another node
        3572,  # MySQL: NOWAIT is set and a lock is taken
    }
)
"""SQLSTATEs and error numbers after which the same transaction, tried again, can succeed."""


STALE: Final = frozenset(
    {
        "25006",  # PostgreSQL: read-only transaction; the server has become a standby
        "57P01",  # PostgreSQL: terminated by the administrator
        1047,  # Galera: this node has left the cluster
        1290,  # MySQL: --read-only; the server has become a secondary
        2006,  # MySQL: server has gone away
        2013,  # MySQL: lost connection
        2055,  # MySQL: lost connection, as mysql-connector says it
        3024,  # mysql-connector: read timeout, a bare DBAPIError
    }
)
"""After these the connection is of no use, though SQLAlchemy does not always say so."""

UNNUMBERED: Final = -1
"""mysql-connector's own errors: operational ones are of connections that it knows to be dead."""


def is_transient(error: DBAPIError) -> bool:
    """Tell whether the whole transaction can be tried again at once.

    After a lost connection it may have been stored, if the commit was under way. All that the store
    writes is an upsert or a deletion, which done twice is as done once.
    """
    return code_of(error) in TRANSIENT or is_stale(error)


def is_stale(error: DBAPIError) -> bool:
    """Tell whether the connection has to be thrown away."""
    code = code_of(error)
    if code == UNNUMBERED:
        return isinstance(error, OperationalError)
    return error.connection_invalidated or code in STALE


def code_of(error: DBAPIError) -> str | int | None:
    """Return the SQLSTATE or error number, however the driver carries it."""
    original = error.orig
    for attribute in ("sqlstate", "errno"):  # psycopg; mysql-connector
        code: str | int | None = getattr(original, attribute, None)
        if code is not None:
            return code
    first = original.args[0] if original is not None and original.args else None  # PyMySQL
    return first if isinstance(first, int) else None


def describe(url: URL) -> str:
    """Name a database without its password and without parameters, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def translate(error: SQLAlchemyError, url: URL) -> DatabaseError:
    """Return the error of ours that tells what happened and what to do.

    Args:
        error: What SQLAlchemy raised.
        url: The database it happened on.
    """
    name = f"the database {describe(url)}"
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError(f"{name} has no free connection left in the pool; try again")
    if not isinstance(error, DBAPIError):
        return DatabaseError(f"{name} cannot be used: {type(error).__name__}")
    if isinstance(error.orig, sqlite3.Error):
        return _translate_sqlite(error.orig, name)
    if code_of(error) in TRANSIENT:
        return DatabaseBusyError(f"{name} is too busy with other writers; try again")
    kind = DatabaseError
    if is_stale(error) or isinstance(error, (OperationalError, InterfaceError)):
        kind = DatabaseUnavailableError
    return kind(f"{name} failed: {type(error.orig).__name__}")


def _translate_sqlite(error: sqlite3.Error, name: str) -> DatabaseError:
    code = getattr(error, "sqlite_errorcode", 0)
    if known := BY_SQLITE_CODE.get(code & 0xFF):
        kind, advice = known
        return kind(f"{name} {advice}")
    return DatabaseError(f"{name} failed: {error}")
