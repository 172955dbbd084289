"""A session for each thread, kept between its reads.

Opening a session and taking a connection out of the pool costs more than the lookup itself on an
SQLite file (``make bench``).
"""

import threading
import weakref

from sqlalchemy import Engine
from sqlalchemy.orm import Session

__all__ = ["ThreadSessions"]


class ThreadSessions:
    """Sessions on one engine, one for each thread that asks.

    Args:
        engine: An engine in autocommit, so that an idle session holds no transaction.
    """

    def __init__(self, engine: Engine) -> None:
        """Open nothing yet."""
        self._engine = engine
        self._lock = threading.Lock()
        self._own = threading.local()
        self._all: weakref.WeakSet[Session] = weakref.WeakSet()

    def get(self) -> Session:
        """Return the session of the calling thread."""
        session: Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = Session(self._engine)
            with self._lock:
                self._all.add(session)
        return session

    def close(self) -> None:
        """Give back every thread's connection; the sessions can be used again."""
        with self._lock:
            for session in self._all:
                session.close()

    def all(self) -> list[Session]:
        """Return the sessions of all threads, for whoever must keep them from being closed."""
        return list(self._all)
