"""The way to the database: reads in autocommit, writes in one transaction, faults retried."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError
from sqlalchemy.orm import Session

from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS, Connections
from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.faults import (
    READ_ONLY_SECONDS,
    describe,
    retry_pauses,
    translate,
    unknown_parameter,
)
from zoho_tokenstore.database.urls import resolve
from zoho_tokenstore.errors import ConfigurationError, DatabaseUnavailableError, TokenStoreError

__all__ = ["Database"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Database:
    """One database, as the store uses it.

    Args:
        database: A URL, as text or as SQLAlchemy's object, or an engine that the caller keeps.
        create: Whether a missing SQLite file may be created.
        connections: How many connections this process may hold to a URL, for all its stores.
        waits_for_primary: Whether writes to a read-only database are retried, as during a failover.

    Attributes:
        url: Where it is, with the driver.
        backend: What is particular about this kind of database.

    Raises:
        ConfigurationError: The URL is invalid.
        MissingDriverError: Its driver is not installed.
    """

    def __init__(
        self,
        database: str | URL | Engine,
        *,
        create: bool = True,
        connections: int = DEFAULT_CONNECTIONS,
        waits_for_primary: bool = True,
    ) -> None:
        """Prepare the engine; nothing is opened or sent yet."""
        if isinstance(database, Engine):
            self.url = database.url
            backend_of(self.url).check_url(self.url)
            self._connections = Connections.of_engine(database)
        elif hasattr(database, "sync_engine"):
            raise ConfigurationError(
                "the engine is asynchronous, and the store's calls are synchronous: pass a "
                "database URL, and call the store with asyncio.to_thread"
            )
        else:
            url = resolve(database)
            backend_of(url).check_url(url)
            # A process that changes its directory keeps its database.
            self.url = backend_of(url).absolute_url(url)
            self._connections = Connections.of_url(self.url, create=create, limit=connections)
        self._connections.hold_for(self)
        self._read_only_until = 0.0 if waits_for_primary else math.inf
        self.backend = backend_of(self.url)

    @property
    def is_in_memory(self) -> bool:
        """Whether it is gone with this process."""
        return self.backend.is_in_memory(self.url)

    def read(self, work: Callable[[Session, *Ts], T], *args: *Ts) -> T:
        """Run ``work`` in this thread's session, in autocommit: no statement but its own.

        A fault that passes by itself is retried, with pauses, for
        :data:`~zoho_tokenstore.database.faults.RETRY_SECONDS`; so ``work`` must be safe to run
        twice.

        Args:
            work: Called with the session and the arguments.
            args: The arguments.

        Raises:
            DatabaseError: The database failed.
        """
        sessions = self._connections.sessions  # close() replaces them
        try:
            session = sessions.idle.pop()
        except IndexError:
            session = sessions.acquire()
        started, pauses = time.monotonic(), None
        try:
            while True:
                try:
                    result = work(session, *args)
                    break
                except Exception as error:
                    pauses = pauses or retry_pauses(started)
                    pause = self._pause_after(error, session, pauses)
                    if pause is None:
                        raise
                time.sleep(pause)
        except BaseException as error:
            sessions.recover(session)
            if isinstance(error, SQLAlchemyError):
                raise translate(error, self.url) from error
            raise
        sessions.release(session)
        return result

    def write(self, work: Callable[[Session, *Ts], T], *args: *Ts, dry_run: bool = False) -> T:
        """Run ``work`` in this thread's session as one transaction: all of it or nothing.

        Its effect is as if no other worker had written concurrently. After a conflict, or when the
        connection breaks, it runs again, so it must be safe to run twice.

        Args:
            work: Called with the session and the arguments.
            args: The arguments.
            dry_run: Roll the transaction back instead of committing it.

        Raises:
            DatabaseError: The database failed. Nothing was stored, unless the connection broke
                while the commit was under way.
        """
        end: Literal["COMMIT", "ROLLBACK"] = "ROLLBACK" if dry_run else "COMMIT"
        return self.read(self._connections.engines.transaction, end, work, *args)

    def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which changes the schema, in a transaction where DDL has them.

        Raises:
            DatabaseError: The database failed.
        """
        try:
            with self._connections.engines.migrator.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise translate(error, self.url) from error

    def notice_replacement(self) -> int:
        """Close all connections to a file that is not at its path any more.

        Returns:
            How often that has happened in this process.
        """
        return self._connections.notice_replacement()

    def close(self) -> None:
        """Close all connections, unless the engine is the caller's."""
        self._connections.close()

    def __repr__(self) -> str:
        """Name the database, without its password."""
        return describe(self.url)

    def _pause_after(
        self, error: Exception, session: Session, pauses: Iterator[float]
    ) -> float | None:
        """Return the seconds to wait before a retry, ``None`` after an error that is final.

        A connection that turns out to be useless is discarded.
        """
        if isinstance(error, DBAPIError):
            return self._pause_after_fault(error, session, pauses)
        if isinstance(error, PendingRollbackError):  # the connection broke within the transaction
            session.invalidate()
            return next(pauses, None)
        if isinstance(error, (SQLAlchemyError, TokenStoreError)):
            return None
        # The driver failed over what it read: the next bytes may answer another question.
        if not self.is_in_memory:  # it reads nothing from a network, and would be lost
            session.invalidate()
        raise unknown_parameter(error, self.url) or DatabaseUnavailableError(
            f"the database driver failed: {type(error).__name__}"
        ) from error

    def _pause_after_fault(
        self, error: DBAPIError, session: Session, pauses: Iterator[float]
    ) -> float | None:
        if self.backend.is_stale(error):
            session.invalidate()
        if not self.backend.is_transient(error):
            return None
        if self.backend.code_of(error) not in self.backend.read_only:
            return next(pauses, None)
        # A server that is being replaced is read-only for seconds, a replica for good.
        pause = next(pauses, None) if time.monotonic() > self._read_only_until else None
        if pause is None:
            self._read_only_until = max(self._read_only_until, time.monotonic() + READ_ONLY_SECONDS)
        return pause
