"""A session for each thread, kept between its reads, some of them with their connection.

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
        self._all: weakref.WeakSet[Session] = weakref.WeakSet()
        self._keeping: weakref.WeakSet[Session] = weakref.WeakSet()

    def get(self) -> Session:
        """Return the session of the calling thread."""
        session: Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = Session(self._engine)
            with self._lock:
                self._all.add(session)
        return session

    def end_call(self) -> None:
        """Give the calling thread's connection back, unless it is one of those that keep theirs."""
        if not getattr(self._own, "keeps", False):
            session = self.get()
            with self._lock:
                self._own.keeps = len(self._keeping) < self._keepers
                if self._own.keeps:
                    self._keeping.add(session)
            if not self._own.keeps:
                self.give_back()

    def give_back(self) -> None:
        """Give the calling thread's connection back; the next call takes another."""
        session = self.get()
        try:
            session.close()
        except DBAPIError:  # the connection has died since: whoever is next gets another
            session.invalidate()

    def close(self) -> None:
        """Give back every thread's connection; the sessions can be used again."""
        with self._lock:
            for session in self._all:
                session.close()

    def all(self) -> list[Session]:
        """Return the sessions of all threads, for whoever must keep them from being closed."""
        return list(self._all)
