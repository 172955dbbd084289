"""What differs between the kinds of databases, declared in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import URL

from zoho_tokenstore.errors import ConfigurationError

__all__ = ["Backend", "backend_of", "timeouts_of"]


@dataclass(frozen=True, slots=True)
class Backend:
    """How the store works on one kind of database.

    Attributes:
        extra: The extra of this package that brings a driver.
        on_connect: Statements that prepare a new connection of our own for ``begin_write``.
        isolate: The same on a connection of the caller's, for its next transaction only.
        begin_write: Statements that begin a transaction whose effect is as if it ran alone. What
            it cannot have alone ends in one of the faults that are retried. If we know nothing of a
            database, as the standard has it: one that does not understand it says so.
        isolates_statements: Whether a statement in autocommit is such a transaction by itself, on a
            connection of our own.
        begin_migration: Statements that begin a migration.
        lock: Makes one migration wait for another; takes ``:name``.
        unlock: Gives such a lock back, where the end of the transaction does not.
    """

    extra: str | None = None
    on_connect: tuple[str, ...] = ()
    isolate: tuple[str, ...] = ()
    begin_write: tuple[str, ...] = ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE",)
    isolates_statements: bool = False
    begin_migration: tuple[str, ...] = ()
    lock: str | None = None
    unlock: str | None = None


SQLITE: Final = Backend(
    # A transaction that begins as a reader and writes later fails with SQLITE_BUSY, without
    # waiting, when somebody else has written meanwhile.
    begin_write=("BEGIN IMMEDIATE",),
    isolates_statements=True,
    begin_migration=("BEGIN IMMEDIATE",),
)
POSTGRESQL: Final = Backend(
    extra="postgresql",
    begin_write=("BEGIN ISOLATION LEVEL SERIALIZABLE",),
    # Not serializable: whoever waited for the lock has to see what was committed meanwhile.
    begin_migration=("BEGIN ISOLATION LEVEL READ COMMITTED",),
    lock="SELECT pg_advisory_xact_lock(hashtext(:name))",
)
MYSQL: Final = Backend(
    extra="mysql",
    # In autocommit it changes nothing for reads: they take no locks.
    on_connect=("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
    isolate=("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
    begin_write=("START TRANSACTION",),
    isolates_statements=True,
    # DDL commits by itself.
    lock="SELECT GET_LOCK(CONCAT(DATABASE(), :name), 20)",
    unlock="SELECT RELEASE_LOCK(CONCAT(DATABASE(), :name))",
)
BACKENDS: Final[Mapping[str, Backend]] = MappingProxyType(
    {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL}
)


# tcp_user_timeout in milliseconds: without it a lost packet is waited for by the kernel's own
# measure, a quarter of an hour.
_POSTGRESQL_TIMEOUTS: Final = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
_MYSQL_TIMEOUTS: Final = {"connect_timeout": 10, "read_timeout": 30, "write_timeout": 30}
TIMEOUTS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "psycopg": _POSTGRESQL_TIMEOUTS | {"read_timeout": 30},
        "psycopg2": _POSTGRESQL_TIMEOUTS,
        "pymysql": _MYSQL_TIMEOUTS,
        "mysqldb": _MYSQL_TIMEOUTS,
        "mysqlconnector": _MYSQL_TIMEOUTS,
    }
)
"""Seconds, unless said otherwise, by SQLAlchemy's name of the driver."""


def timeouts_of(url: URL) -> dict[str, int]:
    """Return the driver's arguments that bound a call: what the URL says, or else the default.

    Raises:
        ConfigurationError: The URL has a timeout that is no whole number.
    """
    timeouts = dict(TIMEOUTS.get(url.drivername.partition("+")[2], {}))
    for name in timeouts.keys() & url.query.keys():
        value = url.query[name]
        if not (isinstance(value, str) and value.isdecimal()):
            raise ConfigurationError(f"{name} in the database URL must be a whole number")
        # As a number, which not every driver makes of it.
        timeouts[name] = int(value)
    return timeouts


def backend_of(url: URL) -> Backend:
    """Return what is known of the URL's database; nothing special of others."""
    return BACKENDS.get(url.get_backend_name(), Backend())
