"""The way to the database: URL to engine, reads in autocommit, writes in one transaction."""

import logging
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from zoho_tokenstore import sqlite
from zoho_tokenstore.backends import backend_of, timeouts_of
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.faults import describe, is_stale, translate
from zoho_tokenstore.retry import retrying
from zoho_tokenstore.sessions import ThreadSessions
from zoho_tokenstore.urls import missing_driver, resolve

__all__ = ["Database"]

T = TypeVar("T")

LOGGING_NAME: Final = "zoho_tokenstore"


class Database:
    """One database, as the store uses it.

    Args:
        database: A URL, as text or as SQLAlchemy's object, or an engine that the caller keeps.
        create: Whether a missing SQLite file may be created.

    Raises:
        ConfigurationError: The URL cannot be understood.
        MissingDriverError: Its driver is not installed.
    """

    def __init__(self, database: str | URL | Engine, *, create: bool = True) -> None:
        """Prepare the engine; nothing is opened or sent yet."""
        self._owned = not isinstance(database, Engine)
        engine = database if isinstance(database, Engine) else _make_engine(database, create=create)
        self.url = engine.url
        self.backend = backend_of(self.url)
        # Engines of our own, sharing the pool: listeners and settings stay off the caller's.
        self._reader = _quiet(engine, owned=self._owned)
        self._writer = _beginning(engine, self.backend.begin_write, owned=self._owned)
        self._migrator = _beginning(engine, self.backend.begin_migration, owned=self._owned)
        self._sessions = ThreadSessions(self._reader)
        # A connection to a file costs nothing to keep; a server's are for whoever needs one next.
        on_sqlite = self.url.get_backend_name() == "sqlite"
        self._in_memory = on_sqlite and sqlite.file_of(self.url) is None
        self._keeps_connections = self._owned and on_sqlite and not self._in_memory
        _opened.add(self)

    def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in this thread's session, in autocommit: no statement but its own.

        Raises:
            DatabaseError: The database failed.
        """
        session = self._sessions.get()

        def attempt() -> T:
            with _discarding_stale(session):
                return work(session)

        keep = False
        try:
            result = retrying(attempt)
            keep = self._keeps_connections
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error
        finally:
            if not keep:
                session.close()
        return result

    def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a session and commit it, all or nothing.

        Its effect is as if nobody else had written meanwhile; when somebody has, it runs again.

        Raises:
            DatabaseError: The database failed; nothing was stored.
        """

        def attempt() -> T:
            with Session(self._writer) as session, _discarding_stale(session), session.begin():
                return work(session)

        try:
            return retrying(attempt)
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error

    def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which changes the schema, in a transaction where DDL has them.

        Raises:
            DatabaseError: The database failed.
        """
        try:
            with self._migrator.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error

    def close(self) -> None:
        """Close all connections, unless the engine is the caller's."""
        self._sessions.close()
        if self._owned:
            self._reader.dispose()

    def forget_connections(self) -> None:
        """Leave all connections to the parent process and start a new pool."""
        _inherited.append(self._sessions.abandon())
        if self._owned and not self._in_memory:
            _inherited.append(self._reader.pool)
            self._reader.dispose(close=False)

    def __repr__(self) -> str:
        """Name the database, without its password."""
        return describe(self.url)


def _make_engine(database: str | URL, *, create: bool) -> Engine:
    url = resolve(database)
    on_sqlite = url.get_backend_name() == "sqlite"
    options = sqlite.engine_options(url) if on_sqlite else {"connect_args": timeouts_of(url)}
    try:
        # Autocommit: a read is one statement, and writers begin by themselves.
        engine = create_engine(url, isolation_level="AUTOCOMMIT", **options)
    except (ArgumentError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            f"the database URL cannot be used with {url.drivername} ({type(error).__name__})"
        ) from None
    except ImportError as error:
        raise missing_driver(url, error.name or url.drivername) from error
    if on_sqlite:
        sqlite.prepare(engine, create=create)
    return engine


def _quiet(engine: Engine, *, owned: bool) -> Engine:
    """Return an engine in autocommit on the same pool, which shows neither parameters nor rows."""
    # Set for each use of the caller's connections, once for ours.
    quiet = engine.execution_options(**{} if owned else {"isolation_level": "AUTOCOMMIT"})
    quiet.hide_parameters = True
    quiet.logging_name = LOGGING_NAME
    quiet.echo = engine.echo  # makes the logger again, under the new name
    return quiet


def _beginning(engine: Engine, statements: tuple[str, ...], *, owned: bool) -> Engine:
    """Return such an engine whose transactions begin with these statements."""
    beginning = _quiet(engine, owned=owned)

    def begin(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    event.listen(beginning, "begin", begin)
    return beginning


@contextmanager
def _discarding_stale(session: Session) -> Iterator[None]:
    """Take a connection that turns out to be useless out of the pool, with all that are like it."""
    try:
        yield
    except DBAPIError as error:
        if is_stale(error):
            session.invalidate()
        raise


def _shows_no_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


# hide_parameters hides what goes in; what comes out is logged row by row at level DEBUG.
logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGING_NAME}").addFilter(_shows_no_row)


_opened: "weakref.WeakSet[Database]" = weakref.WeakSet()
_inherited: list[object] = []
"""Pools and sessions of the parent process, kept so that no child closes their connections."""


def _after_fork() -> None:
    for database in list(_opened):
        database.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
