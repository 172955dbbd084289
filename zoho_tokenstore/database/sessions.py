"""A session for each thread, kept between its calls, some of them with their connection.

Opening a session and taking a connection out of the pool costs more than the lookup itself on an
SQLite file, and a quarter of it on a server (``make bench``).
"""

import threading
import weakref
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

__all__ = ["AFTER_COMMIT", "ThreadSession", "ThreadSessions", "call_after_commit"]

AFTER_COMMIT: Final = "zoho_tokenstore.after_commit"
"""The key in ``Session.info`` of what to call when the transaction is committed."""


def call_after_commit(session: Session, call: Callable[[], None]) -> None:
    """Call a function when the transaction that this session is in has been committed."""
    session.info.setdefault(AFTER_COMMIT, []).append(call)


class ThreadSession(Session):
    """One thread's session.

    Attributes:
        in_use: Held during a call, and by the thread that closes all sessions.
        keeps_connection: Whether the thread keeps its connection between calls.
    """

    def __init__(self, engine: Engine) -> None:
        """Open nothing yet."""
        super().__init__(engine)
        self.in_use: Final = threading.RLock()
        self.keeps_connection = False

    def release_connection(self) -> None:
        """Return the connection to the pool; the next call takes another."""
        try:
            self.close()
        except DBAPIError:  # the connection has died: the next call gets another
            self.invalidate()


class ThreadSessions:
    """The sessions of all threads on one engine.

    Args:
        engine: An engine in autocommit, so that an idle session holds no transaction.
        keepers: How many threads may keep their connection between calls.
    """

    def __init__(self, engine: Engine, keepers: float) -> None:
        """Open nothing yet."""
        self._engine = engine
        self._keepers: Final = keepers
        self._lock = threading.Lock()
        self._own = threading.local()
        self._all: weakref.WeakSet[ThreadSession] = weakref.WeakSet()
        self._keeping: weakref.WeakSet[ThreadSession] = weakref.WeakSet()
        self._closed = False

    def begin_call(self) -> ThreadSession:
        """Return the session of the calling thread, in use until the call ends."""
        own: ThreadSession | None = getattr(self._own, "session", None)
        if own is None:
            own = self._own.session = ThreadSession(self._engine)
            with self._lock:
                self._all.add(own)
        own.in_use.acquire()
        return own

    def end_call(self, session: ThreadSession) -> None:
        """Return the connection to the pool, unless the thread keeps it."""
        if not session.keeps_connection and self._keepers:
            with self._lock:
                session.keeps_connection = len(self._keeping) < self._keepers
                if session.keeps_connection:
                    self._keeping.add(session)
        if not session.keeps_connection:
            session.release_connection()
        elif self._closed:  # and with it the pool that it would return to
            session.invalidate()
        session.in_use.release()

    def fail_call(self, session: ThreadSession) -> None:
        """Return the connection to the pool in any case."""
        session.release_connection()
        session.in_use.release()

    def close_all(self) -> None:
        """Return all connections; those in use are closed when their calls end."""
        self._closed = True
        with self._lock:
            for session in self._all:
                if session.in_use.acquire(blocking=False):
                    session.close()
                    session.in_use.release()

    def all(self) -> list[ThreadSession]:
        """Return the sessions of all threads, so that a caller can keep them from being closed."""
        return list(self._all)
