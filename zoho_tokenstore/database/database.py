"""The way to the database: reads in autocommit, writes in one transaction, faults retried."""

import math
import os
import weakref
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from zoho_tokenstore.database import sqlite
from zoho_tokenstore.database.backends import backend_of
from zoho_tokenstore.database.engines import Engines
from zoho_tokenstore.database.faults import describe, is_stale, translate
from zoho_tokenstore.database.retry import retrying
from zoho_tokenstore.database.sessions import ThreadSessions
from zoho_tokenstore.database.urls import resolve
from zoho_tokenstore.errors import DatabaseUnavailableError, TokenStoreError

__all__ = ["Database"]

T = TypeVar("T")

KEEPERS: Final = 5
"""Threads that keep their connection to a server: as many as the pool keeps open anyway."""


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
        self._callers = database if isinstance(database, Engine) else None
        self._create = create
        self.url = database.url if isinstance(database, Engine) else resolve(database)
        self.backend = backend_of(self.url)
        on_sqlite = self.url.get_backend_name() == "sqlite"
        self._in_memory = on_sqlite and sqlite.file_of(self.url) is None
        self._keepers: float = KEEPERS
        if self._in_memory or self._callers is not None:
            self._keepers = 0
        elif on_sqlite:
            self._keepers = math.inf  # a connection to a file costs nothing to keep
        self._use(self._make_engines())
        _opened.add(self)

    def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in this thread's session, in autocommit: no statement but its own.

        Raises:
            DatabaseError: The database failed.
        """
        sessions = self._sessions  # there are others when somebody closes these
        session = sessions.begin_call()
        try:
            result = retrying(lambda: self._attempt(session, work))
        except BaseException as error:
            sessions.fail_call()
            if isinstance(error, SQLAlchemyError):
                raise translate(error, self.url) from error
            raise
        sessions.end_call()
        return result

    def write(self, work: Callable[[Session], T], *, dry_run: bool = False) -> T:
        """Run ``work`` in this thread's session as one transaction: all of it or nothing.

        Its effect is as if no other worker had written concurrently. After a conflict, or when the
        connection breaks, it runs again, so it must be safe to run twice.

        Args:
            work: Called with the session.
            dry_run: Roll the transaction back instead of committing it.

        Raises:
            DatabaseError: The database failed. Nothing was stored, unless the connection broke
                while the commit was under way.
        """
        end: Literal["COMMIT", "ROLLBACK"] = "ROLLBACK" if dry_run else "COMMIT"
        return self.read(lambda session: self._engines.transaction(session, work, end))

    def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which changes the schema, in a transaction where DDL has them.

        Raises:
            DatabaseError: The database failed.
        """
        try:
            with self._engines.migrator.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error

    def pool_status(self) -> str:
        """Return the size of the pool, and how many of its connections are in use."""
        return self._engines.autocommit.pool.status()

    def close(self) -> None:
        """Close all connections, unless the engine is the caller's."""
        self._sessions.close()
        if self._callers is None:
            self._engines.autocommit.pool.dispose()
            self._use(self._make_engines())

    def forget_connections(self) -> None:
        """Leave all connections to the parent process and start a new pool."""
        _inherited.append((self._engines, self._sessions, self._sessions.all()))
        self._use(self._engines if self._in_memory else self._make_engines())

    def __repr__(self) -> str:
        """Name the database, without its password."""
        return describe(self.url)

    def _attempt(self, session: Session, work: Callable[[Session], T]) -> T:
        """Run ``work`` once; take a connection that turns out to be useless out of the pool."""
        try:
            return work(session)
        except DBAPIError as error:
            if is_stale(error):
                session.invalidate()
            raise
        except (SQLAlchemyError, TokenStoreError):
            raise
        except Exception as error:
            # The driver stumbled over what it read: what comes next may answer another question.
            if not self._in_memory:  # where nothing is read from a network, and all would be lost
                session.invalidate()
            raise DatabaseUnavailableError(
                f"the database driver failed: {type(error).__name__}"
            ) from error

    def _make_engines(self) -> Engines:
        if self._callers is not None:
            return Engines.of_engine(self._callers)
        return Engines.of_url(self.url, create=self._create)

    def _use(self, engines: Engines) -> None:
        self._engines = engines
        self._sessions = ThreadSessions(engines.autocommit, self._keepers)


_opened: "weakref.WeakSet[Database]" = weakref.WeakSet()
_inherited: list[object] = []
"""Pools and sessions of the parent process, kept so that no child closes their connections."""


def _after_fork() -> None:
    for database in list(_opened):
        database.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
