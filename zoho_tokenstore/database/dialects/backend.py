"""The base of all backends: what a database does unless its own module says otherwise."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    DateTime,
    Engine,
    Insert,
    Select,
    Table,
    bindparam,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnavailableError,
    MissingPrivilegeError,
    ReadOnlyDatabaseError,
)

__all__ = ["Backend", "DriverConnection", "Fault", "MergedColumns"]

Fault = tuple[type[DatabaseError], str]
"""The error to raise for a failed call, and the rest of a sentence that begins with the database's
name."""

DriverConnection: TypeAlias = Any
"""A connection of any driver; most are published without type information."""

MergedColumns = Callable[[Any], dict[str, ColumnElement[Any]]]
"""Returns the new value of each column of a stored row, given the collection of inserted values."""


class Backend:
    """How the store works on one kind of database.

    A database that has no module of its own gets this class: standard SQL, no retries.

    Attributes:
        drivers: SQLAlchemy's name and the module of each driver, preferred ones first.
        timeouts: Connection arguments that bound a call, by SQLAlchemy's name of the driver;
            seconds unless the driver's documentation says otherwise.
        hooked_arguments: Those of them that our own connect hook takes, not the driver.
        on_connect: Statements that prepare a new connection for ``begin_write``.
        isolate: The same on a connection of the caller's engine, for its next transaction only.
        begin_write: Statements that begin a transaction whose effect is as if it ran alone.
        lock_rows_only: Statements at the beginning of a transaction that locks each row before it
            changes it: conflicts with other transactions are then limited to these rows.
        lock_table: Waits until no other transaction is writing the table ``{}``, where reading
            in a transaction does not.
        begin_migration: Statements that begin a migration.
        lock: Makes one migration wait for another; takes ``:name``.
        unlock: Releases such a lock, where the end of the transaction does not.
        version_table_pk: Whether Alembic's version table may have a primary key in a script.
        epoch_milliseconds: SQL for the database's clock, in epoch milliseconds.
        timestamp: Column type for a time with microseconds.
        keeps_time_zone: Whether a timestamp comes back with its time zone.
        packs_rows: Whether a row is read faster as one JSON array than as columns.
        writes_in_cte: Whether a ``WITH`` clause may change a table.
        text_bytes: How many bytes of text a column holds, ``None`` for any number.
        transient: SQLSTATEs or error numbers after which the same transaction can succeed.
        stale: Those after which the connection is useless, though SQLAlchemy may not say so.
        read_only: Those after which the server may be writable again in a moment, or never.
        denied: Those that say that the user lacks a privilege.
        faults: The errors to raise for others.
        no_idle_rollback: Drivers that send a rollback to the server even when there is nothing to
            roll back, unless told otherwise.
        tls_option: What to add to a URL so that its connections are encrypted.
    """

    drivers: ClassVar[tuple[tuple[str, str], ...]] = ()
    timeouts: ClassVar[Mapping[str, Mapping[str, int]]] = {}
    hooked_arguments: ClassVar[tuple[str, ...]] = ()
    on_connect: ClassVar[tuple[str, ...]] = ()
    isolate: ClassVar[tuple[str, ...]] = ()
    begin_write: ClassVar[tuple[str, ...]] = ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE",)
    lock_rows_only: ClassVar[tuple[str, ...]] = ()
    lock_table: ClassVar[str | None] = None
    begin_migration: ClassVar[tuple[str, ...]] = ()
    lock: ClassVar[str | None] = None
    unlock: ClassVar[str | None] = None
    version_table_pk: ClassVar[bool] = True
    epoch_milliseconds: ClassVar[str] = (
        "CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT)"
    )
    timestamp: ClassVar[TypeEngine[Any]] = DateTime(timezone=True)
    keeps_time_zone: ClassVar[bool] = True
    packs_rows: ClassVar[bool] = False
    writes_in_cte: ClassVar[bool] = False
    text_bytes: ClassVar[int | None] = None
    transient: ClassVar[frozenset[str | int]] = frozenset()
    stale: ClassVar[frozenset[str | int]] = frozenset()
    read_only: ClassVar[frozenset[str | int]] = frozenset()
    denied: ClassVar[frozenset[str | int]] = frozenset()
    faults: ClassVar[Mapping[str | int, Fault]] = {}
    no_idle_rollback: ClassVar[tuple[str, ...]] = ()
    tls_option: ClassVar[str] = ""

    def engine_options(self, url: URL) -> dict[str, Any]:
        """Return what ``create_engine`` needs for this URL.

        Raises:
            ConfigurationError: A timeout in the URL is not an integer.
        """
        return {"connect_args": self.timeouts_of(url)}

    def timeouts_of(self, url: URL) -> dict[str, int]:
        """Return the driver's arguments that bound a call: the URL's own, or the defaults.

        Raises:
            ConfigurationError: A timeout in the URL is not an integer.
        """
        timeouts = dict(self.timeouts.get(url.drivername.partition("+")[2], {}))
        for name in timeouts.keys() & url.query.keys():
            value = url.query[name]
            if not (isinstance(value, str) and value.isdecimal()):
                raise ConfigurationError(f"invalid {name} in the database URL: pass an integer")
            # As a number, because not every driver converts it.
            timeouts[name] = int(value)
        return timeouts

    def check_url(self, url: URL) -> None:
        """Refuse what would make the store fail later.

        Raises:
            ConfigurationError: A parameter of the URL has a value that the store cannot work with.
        """

    def prepare(self, engine: Engine, *, create: bool) -> None:
        """Add what every new connection of our own engine needs.

        Args:
            engine: An engine made with :meth:`engine_options`.
            create: Whether a missing database file may be created.
        """

    def file_of(self, url: URL) -> Path | None:
        """Return the database file, ``None`` for a server or a database in memory."""
        return None

    def absolute_url(self, url: URL) -> URL:
        """Return the URL of the same database for a process in any directory."""
        return url

    def is_in_memory(self, url: URL) -> bool:
        """Return whether the database ends with its connection."""
        return False

    def read_only_url(self, url: URL) -> URL:
        """Return the URL under which another store's database is read and never changed."""
        return url.difference_update_query(self.hooked_arguments)

    def journal_mode(self, session: Session) -> str | None:
        """Return the journal mode of a database file, ``None`` for a server."""
        return None

    def missing_grant_to_upgrade(self, session: Session, schema: str | None) -> str | None:
        """Return the ``GRANT`` that this user needs to upgrade, ``None`` if unknown or not.

        Args:
            session: Where to ask.
            schema: The schema of the tables, ``None`` for the connection's default.
        """
        return None

    def is_encrypted(self, connection: DriverConnection) -> bool | None:
        """Return whether a driver's connection is encrypted, ``None`` where that is unknown."""
        return None

    def roll_back(self, connection: DriverConnection) -> None:
        """Roll back the transaction that a statement has begun on a driver's connection."""
        connection.rollback()

    def one_of(self, column: Column[Any]) -> ColumnElement[bool]:
        """Build the condition that a column has one of the values in the parameter of its name."""
        return column.in_(bindparam(column.name, type_=column.type, expanding=True))

    def exact(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Build a value that is compared with its like to the last code point."""
        return text

    def upsert(
        self, table: Table, names: Sequence[str], rows: Select[Any], merged: MergedColumns
    ) -> Insert | None:
        """Build the insert of selected rows that updates a row of the same identity instead.

        Args:
            table: The token table.
            names: The columns that are inserted.
            rows: Their values.
            merged: Returns each column's new value, given the collection of inserted values.

        Returns:
            The statement, ``None`` where the database has none.
        """
        return None

    def code_of(self, error: DBAPIError) -> str | int | None:
        """Return the SQLSTATE or the error number, wherever the driver keeps it."""
        original = error.orig
        for attribute in ("sqlstate", "pgcode"):  # psycopg; psycopg2
            code: str | None = getattr(original, attribute, None)
            if code is not None:
                return code
        return None

    def words_of(self, error: DBAPIError) -> str:
        """Return what the driver or the server says, without its number."""
        return str(error.orig)

    def is_stale(self, error: DBAPIError) -> bool:
        """Return whether the connection has to be discarded."""
        return error.connection_invalidated or self.code_of(error) in self.stale

    def is_transient(self, error: DBAPIError) -> bool:
        """Return whether the whole transaction can be retried at once.

        After a lost connection it may have been stored, if the commit was under way. Everything
        that the store writes is an upsert or a deletion, which done twice is as done once.
        """
        return self.code_of(error) in self.transient or self.is_stale(error)

    def fault_of(self, error: DBAPIError, url: URL) -> Fault:
        """Return the error to raise for a statement that failed for good."""
        code = self.code_of(error)
        if code in self.transient:
            return DatabaseBusyError, "is busy with concurrent writers; retry"
        if code in self.read_only:
            return ReadOnlyDatabaseError, "is read-only: connect to the primary server"
        if code in self.denied:
            return MissingPrivilegeError, self.denial_of(error, url)
        if known := self.faults.get(code or ""):
            return known
        kind = DatabaseError
        if self.is_stale(error) or isinstance(error, (OperationalError, InterfaceError)):
            kind = DatabaseUnavailableError
        return kind, f"failed: {type(error.orig).__name__}"

    def denial_of(self, error: DBAPIError, url: URL) -> str:
        """Return what was denied to the user of the URL, and the statement that grants it."""
        return f"denies it to the user {url.username!r}: grant the privilege"

    @staticmethod
    def schema_in(error: DBAPIError, table: str) -> str | None:
        """Return the schema that a failed statement names with a table, ``None`` if it does not."""
        named = rf'(\w+)[`"]?\.[`"]?{re.escape(table)}\b'
        found = re.search(named, error.statement or "")
        return None if found is None else found[1]
