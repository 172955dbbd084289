"""A bounded pool of sessions, each of which keeps its connection between calls.

Opening a session and taking a connection out of SQLAlchemy's pool costs more than the lookup itself
on an SQLite file, and a quarter of it on a server (``make bench``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from zoho_tokenstore.errors import DatabaseBusyError

__all__ = ["AFTER_COMMIT", "SessionPool", "call_after_commit"]

AFTER_COMMIT: Final = "zoho_tokenstore.after_commit"
"""The key in ``Session.info`` of what to call when the transaction is committed."""

WAIT_SECONDS: Final = 30.0
"""How long a thread waits for a session that another thread is using."""


def call_after_commit(session: Session, call: Callable[[], None]) -> None:
    """Call a function when the transaction that this session is in has been committed."""
    session.info.setdefault(AFTER_COMMIT, []).append(call)


class SessionPool:
    """The sessions on one engine, lent to one call each.

    The one that was used last is lent first, so that a process opens as many connections as it has
    calls at the same time, and no more than the limit.

    Args:
        engine: An engine in autocommit, so that an idle session holds no transaction.
        limit: How many calls may go on at the same time; the others wait.
        keeps_connections: Whether a session keeps its connection until it is lent again.

    Attributes:
        idle: The sessions that are not lent; the last one is to be taken first.
    """

    def __init__(self, engine: Engine, limit: float, *, keeps_connections: bool) -> None:
        """Open nothing yet."""
        self._engine = engine
        self._limit: Final = limit
        self._keeps_connections = keeps_connections
        self._opened: list[Session] = []
        self.idle: deque[Session] = deque()
        self._has_idle = threading.Condition()
        self._waiting = 0
        self._is_closed = False

    def acquire(self) -> Session:
        """Return a session for one call, which ends with :meth:`release` or :meth:`recover`.

        A caller first looks into :attr:`idle` itself, because a call costs.

        Raises:
            DatabaseBusyError: All of them have been in use for :data:`WAIT_SECONDS`.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        with self._has_idle:
            self._waiting += 1
            try:
                while True:
                    if self.idle:
                        try:
                            return self.idle.pop()
                        except IndexError:  # taken by a thread that did not wait
                            continue
                    if len(self._opened) < self._limit:
                        session = Session(self._engine)
                        self._opened.append(session)
                        return session
                    if not self._has_idle.wait(deadline - time.monotonic()):
                        raise DatabaseBusyError(
                            f"all connections of this process ({self._limit}) have been in use "
                            f"for {WAIT_SECONDS:g} s: raise connections=… or "
                            "ZOHO_TOKENSTORE_CONNECTIONS, or use fewer threads"
                        )
            finally:
                self._waiting -= 1

    def release(self, session: Session) -> None:
        """Take a session back after a call."""
        if not self._keeps_connections:
            _return_connection(session)
        self.idle.append(session)
        if self._is_closed:
            self._close_idle()
        # A thread counts itself as waiting before it looks for an idle session.
        if self._waiting:
            with self._has_idle:
                self._has_idle.notify()

    def recover(self, session: Session) -> None:
        """Take a session back after a call that failed; its connection goes back to the engine."""
        _return_connection(session)
        self.release(session)

    def close(self) -> None:
        """Close the connections of all sessions; of those in use when they are released."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self.idle:
            with suppress(IndexError):  # lent just now
                self.idle.pop().invalidate()


def _return_connection(session: Session) -> None:
    try:
        session.close()
    except DBAPIError:  # the connection has died: the next call gets another
        session.invalidate()
