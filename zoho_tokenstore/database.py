"""The way to the database: URL to engine, reads in autocommit, writes in one transaction."""

import logging
import os
import weakref
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from zoho_tokenstore import sqlite
from zoho_tokenstore.errors import ConfigurationError, MissingDriverError
from zoho_tokenstore.faults import describe, translate
from zoho_tokenstore.sessions import ThreadSessions

__all__ = ["Database"]

T = TypeVar("T")

EXTRAS: Final = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
"""The extra of this package that brings a driver for each kind of database."""

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
        # Engines of our own, sharing the pool: listeners and settings stay off the caller's.
        # SQLite's writers are in autocommit too: they begin with a statement of their own.
        own_sqlite = self._owned and self.is_sqlite
        self._reader = _quiet(engine, autocommit=not own_sqlite)
        self._writer = _quiet(engine, autocommit=self.is_sqlite and not own_sqlite)
        if self.is_sqlite:
            sqlite.begin_immediate(self._writer)
        self._sessions = ThreadSessions(self._reader)
        # A connection to a file costs nothing to keep; a server's are for whoever needs one next.
        self._keeps_connections = own_sqlite and sqlite.file_of(self.url) is not None
        _opened.add(self)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in this thread's session, in autocommit: no statement but its own.

        Raises:
            DatabaseError: The database failed.
        """
        session = self._sessions.get()
        keep = False
        try:
            result = work(session)
            keep = self._keeps_connections
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error
        finally:
            if not keep:
                session.close()
        return result

    def write(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a session and commit it, all or nothing.

        Raises:
            DatabaseError: The database failed; nothing was stored.
        """
        try:
            with Session(self._writer) as session, session.begin():
                return work(session)
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
        if self._owned and not (self.is_sqlite and sqlite.file_of(self.url) is None):
            _inherited.append(self._reader.pool)
            self._reader.dispose(close=False)

    def __repr__(self) -> str:
        """Name the database, without its password."""
        return describe(self.url)


def _make_engine(database: str | URL, *, create: bool) -> Engine:
    try:
        url = make_url(database)
        options = sqlite.engine_options(url) if url.get_backend_name() == "sqlite" else {}
        engine = create_engine(url, **options)
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            "the database URL cannot be used: write it like 'sqlite:///tokens.db' or "
            f"'postgresql+psycopg://user:password@host/database' ({type(error).__name__})"
        ) from None
    except ImportError as error:
        raise _missing_driver(make_url(database), error) from error
    if url.get_backend_name() == "sqlite":
        sqlite.prepare(engine, create=create)
    return engine


def _missing_driver(url: URL, error: ImportError) -> MissingDriverError:
    name = error.name or url.drivername
    extra = EXTRAS.get(url.get_backend_name())
    package = f"zoho-tokenstore[{extra}]" if extra else name
    return MissingDriverError(
        f"{url.drivername} needs the driver {name!r}, which is not installed: "
        f"pip install '{package}'"
    )


def _quiet(engine: Engine, *, autocommit: bool) -> Engine:
    """Return an engine on the same pool that shows neither parameters nor rows to anybody."""
    options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    quiet = engine.execution_options(**options)
    quiet.hide_parameters = True
    quiet.logging_name = LOGGING_NAME
    quiet.echo = engine.echo  # makes the logger again, under the new name
    return quiet


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
