"""The engines of one database: one in autocommit, in which writes begin, and one for migrations.

They share one pool. They are engines of our own also on the caller's pool, so that no listener and
no setting of ours is seen elsewhere.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolResetState

from zoho_tokenstore.database.compiled import (
    BY_SQLALCHEMY,
    LOGGING_NAME,
    CompiledStatement,
    row_count,
)
from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.dialects.backend import Backend
from zoho_tokenstore.database.files import OpenedFile
from zoho_tokenstore.database.sessions import AFTER_COMMIT
from zoho_tokenstore.database.tls import warn_if_unencrypted
from zoho_tokenstore.database.urls import missing_driver
from zoho_tokenstore.errors import ConfigurationError

__all__ = ["Engines", "source_engine"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

UNFINISHED: Final = "zoho_tokenstore.unfinished"
"""Marks a connection whose transaction has begun and not ended."""


def _compiled(statement: str) -> CompiledStatement[int]:
    return CompiledStatement(text(statement), row_count)


@dataclass(frozen=True, slots=True)
class Engines:
    """Two engines on one pool.

    Attributes:
        autocommit: Each statement is a transaction.
        migrator: A transaction may change the schema.
        begin_write: Statements that begin a transaction in autocommit.
        commit: The statement that ends it.
        rollback: The one that undoes it.
        backend: What is particular about this kind of database.
        is_ours: Whether the pool is not the caller's.
        file: The database file that the pool has open, ``None`` without one.
    """

    autocommit: Engine
    migrator: Engine
    begin_write: tuple[CompiledStatement[int], ...]
    backend: Backend
    is_ours: bool
    file: OpenedFile | None = None
    commit: CompiledStatement[int] = field(default_factory=lambda: _compiled("COMMIT"))
    rollback: CompiledStatement[int] = field(default_factory=lambda: _compiled("ROLLBACK"))

    @classmethod
    def of_url(cls, url: URL, *, create: bool, limit: int = 1) -> Self:
        """Make the pool of a URL with a driver; nothing is opened yet.

        Args:
            url: Where to connect.
            create: Whether a missing SQLite file may be created.
            limit: How many connections calls may take; a migration takes one more.

        Raises:
            ConfigurationError: The driver does not understand the URL.
            MissingDriverError: The driver is not installed.
        """
        backend = backend_of(url)
        options = {"pool_size": limit, "max_overflow": 1} | backend.engine_options(url)
        # A read leaves nothing to roll back, so some drivers are spared a round trip or two.
        # Writers begin within autocommit, and their rollbacks must not be skipped as well.
        options["skip_autocommit_rollback"] = (
            url.drivername.partition("+")[2] in backend.no_idle_rollback
        )
        options["isolation_level"] = "AUTOCOMMIT"
        first = _checked_engine(url, pool_reset_on_return=None, **options)
        second = _checked_engine(url, pool=first.pool, isolation_level="AUTOCOMMIT")
        backend.prepare(first, create=create)
        warn_if_unencrypted(first)
        event.listen(first, "connect", _executing(backend.on_connect))
        path = backend.file_of(url)
        file = None if path is None else OpenedFile(path)
        if file is not None:
            event.listen(first, "connect", file.note_connection)
        event.listen(first, "reset", _rolling_back_unfinished(backend))
        return cls(
            _quiet(first),
            _migrator(_quiet(second), backend),
            tuple(map(_compiled, backend.begin_write)),
            backend,
            is_ours=True,
            file=file,
        )

    @classmethod
    def of_engine(cls, engine: Engine) -> Self:
        """Use the pool of an engine that the caller keeps."""
        backend = backend_of(engine.url)
        # Its connections are put into autocommit for each use, and back.
        autocommit = {"isolation_level": "AUTOCOMMIT", BY_SQLALCHEMY: True}
        return cls(
            _quiet(engine, **autocommit),
            _migrator(_quiet(engine, **autocommit), backend),
            tuple(map(_compiled, backend.isolate + backend.begin_write)),
            backend,
            is_ours=False,
        )

    @property
    def is_in_memory(self) -> bool:
        """Whether the database ends with its connection."""
        return self.backend.is_in_memory(self.autocommit.url)

    def transaction(
        self,
        session: Session,
        end: Literal["COMMIT", "ROLLBACK"],
        work: Callable[[Session, *Ts], T],
        *args: *Ts,
    ) -> T:
        """Run ``work`` in a session of :attr:`autocommit` as one transaction.

        The effect is as if it had run alone; a failure has no effect. The session keeps its
        connection: to change it for one that is not in autocommit costs as much as the work.

        Args:
            session: Where to work.
            end: How to end a transaction that does not fail.
            work: Called with the session and the arguments.
            args: The arguments.
        """
        connection = session.connection()
        connection.info[UNFINISHED] = True
        session.info.pop(AFTER_COMMIT, None)  # of a transaction that failed
        try:
            for statement in self.begin_write:
                statement.run(connection, {})
            result = work(session, *args)
            (self.commit if end == "COMMIT" else self.rollback).run(connection, {})
        except BaseException:
            _roll_back(connection, self.backend)
            raise
        connection.info.pop(UNFINISHED)
        for call in session.info.pop(AFTER_COMMIT, ()) if end == "COMMIT" else ():
            call()
        return result


def _checked_engine(url: URL, **options: Any) -> Engine:
    """Make an engine of a URL with a driver; nothing is opened yet.

    Raises:
        ConfigurationError: The driver does not understand the URL.
        MissingDriverError: The driver is not installed.
    """
    try:
        return create_engine(url, **options)
    except (ArgumentError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            f"invalid database URL for {url.drivername} ({type(error).__name__}): check its driver "
            "name and parameters"
        ) from None
    except ImportError as error:
        raise missing_driver(url, error.name or url.drivername) from error


def source_engine(url: URL) -> Engine:
    """Make an engine that reads another store's database and keeps no connection.

    Args:
        url: The database, with a driver.

    Raises:
        ConfigurationError: As from :func:`_checked_engine`.
        MissingDriverError: As from :func:`_checked_engine`.
    """
    backend = backend_of(url)
    # A long read may take its time, so the hook that limits it is left out.
    timeouts = {
        name: limit
        for name, limit in backend.timeouts_of(url).items()
        if name not in backend.hooked_arguments
    }
    engine = _checked_engine(
        backend.read_only_url(url), poolclass=NullPool, connect_args=timeouts, hide_parameters=True
    )
    warn_if_unencrypted(engine)
    return engine


def _quiet(engine: Engine, **options: Any) -> Engine:
    """Return an engine on the same pool which shows neither parameters nor rows."""
    quiet = engine.execution_options(**options)
    quiet.hide_parameters = True
    quiet.logging_name = LOGGING_NAME
    quiet.echo = engine.echo  # makes the logger again, under the new name
    return quiet


def _migrator(engine: Engine, backend: Backend) -> Engine:
    """Send the statements that begin and end the transactions of an engine in autocommit.

    A driver in autocommit may not know that a statement has begun a transaction, and then ignores
    a commit.
    """

    def begin(connection: Connection) -> None:
        connection.info[UNFINISHED] = True
        for statement in backend.begin_migration:
            connection.exec_driver_sql(statement)

    def commit(connection: Connection) -> None:
        if backend.begin_migration:
            connection.exec_driver_sql("COMMIT")
        connection.info.pop(UNFINISHED, None)

    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", commit)
    event.listen(engine, "rollback", lambda connection: _roll_back(connection, backend))
    return engine


def _roll_back(connection: Connection, backend: Backend) -> None:
    if connection.invalidated:
        return
    try:
        backend.roll_back(connection.connection.dbapi_connection)
    except Exception:  # noqa: BLE001 - as every driver says it: the connection is of no use
        connection.invalidate()
    else:
        connection.info.pop(UNFINISHED, None)


def _executing(statements: tuple[str, ...]) -> Callable[[DBAPIConnection, object], None]:
    def execute(connection: DBAPIConnection, _record: object) -> None:
        for statement in statements:
            connection.cursor().execute(statement)

    return execute


def _rolling_back_unfinished(
    backend: Backend,
) -> Callable[[DBAPIConnection, ConnectionPoolEntry, PoolResetState], None]:
    """Keep abandoned transactions out of the pool."""

    def roll_back(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if record.info.pop(UNFINISHED, False):
            backend.roll_back(connection)

    return roll_back


def _shows_no_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


# hide_parameters hides what goes in; what comes out is logged row by row at level DEBUG.
logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGING_NAME}").addFilter(_shows_no_row)
