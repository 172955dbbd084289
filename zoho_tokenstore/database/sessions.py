"""A session for each thread, kept between its calls, some of them with their connection.

Opening a session and taking a connection out of the pool costs more than the lookup itself on an
SQLite file, and a quarter of it on a server (``make bench``).
"""

import threading
import weakref
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

__all__ = ["ThreadSessions"]


class ThreadSessions:
    """Sessions on one engine, one for each thread that asks.

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

    def begin_call(self) -> Session:
        """Return the session of the calling thread, which is in use from now on."""
        own: ThreadSession | None = getattr(self._own, "session", None)
        if own is None:
            own = self._own.session = ThreadSession(self._engine)
            with self._lock:
                self._all.add(own)
        own.in_use.acquire()
        return own

    def end_call(self) -> None:
        """Give the calling thread's connection back, unless it is one of those that keep theirs."""
        own: ThreadSession = self._own.session
        if not own.keeps and self._keepers:
            with self._lock:
                own.keeps = len(self._keeping) < self._keepers
                if own.keeps:
                    self._keeping.add(own)
        if not own.keeps:
            own.give_back()
        elif self._closed:  # and with it the pool that it would go back to
            own.invalidate()
        own.in_use.release()

    def fail_call(self) -> None:
        """Give the calling thread's connection back in any case."""
        own: ThreadSession = self._own.session
        own.give_back()
        own.in_use.release()

    def close(self) -> None:
        """Give back all connections; those in use are closed when their calls end."""
        self._closed = True
        with self._lock:
            for own in self._all:
                if own.in_use.acquire(blocking=False):
                    own.close()
                    own.in_use.release()

    def all(self) -> list[Session]:
        """Return the sessions of all threads, for whoever must keep them from being closed."""
        return list(self._all)


class ThreadSession(Session):
    """One thread's session.

    Attributes:
        in_use: Held during a call, and by whoever closes them all.
        keeps: Whether the thread keeps its connection between calls.
    """

    def __init__(self, engine: Engine) -> None:
        """Begin without a connection."""
        super().__init__(engine)
        self.in_use: Final = threading.RLock()
        self.keeps = False

    def give_back(self) -> None:
        """Give the connection back; the next call takes another."""
        try:
            self.close()
        except DBAPIError:  # the connection has died since: whoever is next gets another
            self.invalidate()
