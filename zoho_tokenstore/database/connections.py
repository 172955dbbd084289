"""The connections of a process to one database, shared by all its stores of one URL."""

import math
import os
import threading
import weakref
from collections.abc import Callable
from typing import Final, Self

from sqlalchemy import URL, Engine

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.engines import Engines
from zoho_tokenstore.database.sessions import SessionPool
from zoho_tokenstore.errors import ConfigurationError

__all__ = ["DEFAULT_CONNECTIONS", "Connections"]

DEFAULT_CONNECTIONS: Final = 10
"""How many connections a process holds to one database at most, unless told otherwise."""


class Connections:
    """The engines of a database, and the sessions on them.

    Args:
        make_engines: Called for the engines, again after :meth:`close` and in a forked child.
        limit: How many sessions there may be at a time.
        keeps_connections: Whether sessions keep their connections between calls.

    Attributes:
        engines: The engines.
        sessions: The sessions.
    """

    def __init__(
        self, make_engines: Callable[[], Engines], limit: float, *, keeps_connections: bool
    ) -> None:
        """Make the engines; nothing is opened or sent yet."""
        self._make_engines = make_engines
        self._limit = limit
        self._keeps_connections = keeps_connections
        self._holders = 0
        self._replacements = 0
        self.engines = make_engines()
        self.sessions = self._new_sessions()
        _all.add(self)

    @classmethod
    def of_url(cls, url: URL, *, create: bool, limit: int) -> "Connections":
        """Return the connections by which all stores of this process use a URL.

        Args:
            url: Where to connect, with a driver.
            create: Whether a missing SQLite file may be created.
            limit: How many connections there may be.

        Raises:
            ConfigurationError: The limit is not a positive number, or the driver does not
                understand the URL.
            MissingDriverError: The driver is not installed.
        """
        if type(limit) is not int or limit < 1:
            raise ConfigurationError(f"connections must be a whole number from 1, not {limit!r}")
        if backend_of(url).is_in_memory(url):  # each store has its own, in one connection
            return cls(lambda: Engines.of_url(url, create=create), 1, keeps_connections=False)
        with _sharing:
            shared = _shared.get((url, create, limit))
            if shared is None:
                shared = cls(
                    lambda: Engines.of_url(url, create=create, limit=limit),
                    limit,
                    keeps_connections=True,
                )
                _shared[url, create, limit] = shared
            return shared

    @classmethod
    def of_engine(cls, engine: Engine) -> Self:
        """Return the connections of an engine that stays the caller's; its pool limits them."""
        return cls(lambda: Engines.of_engine(engine), math.inf, keeps_connections=False)

    def hold_for(self, holder: object) -> None:
        """Close everything when this object and all others that hold it are gone."""
        with _sharing:
            self._holders += 1
        weakref.finalize(holder, self._let_go).atexit = False

    def close(self) -> None:
        """Close all connections but those of a caller's engine; the next call opens new ones.

        A connection in use is closed when its call ends.
        """
        engines, sessions = self.engines, self.sessions
        if not engines.is_ours:  # then no session keeps a connection
            return
        self.engines = self._make_engines()
        self.sessions = self._new_sessions()
        sessions.close()
        engines.autocommit.pool.dispose()

    def notice_replacement(self) -> int:
        """Close the connections to a file that was replaced; return how often that has happened."""
        file = self.engines.file
        if file is not None and file.was_replaced():
            with _sharing:
                if self.engines.file is file:
                    self._replacements += 1
                    self.close()
        return self._replacements

    def leave_to_parent(self) -> None:
        """Start anew in a forked child, without closing what belongs to its parent.

        A database in memory has been copied with the child, and goes on being used.
        """
        _inherited.append((self.sessions, self.engines.autocommit.pool))
        if not self.engines.is_in_memory:
            if not self.engines.is_ours:
                self.engines.autocommit.dispose(close=False)
            self.engines = self._make_engines()
        self.sessions = self._new_sessions()

    def _new_sessions(self) -> SessionPool:
        return SessionPool(
            self.engines.autocommit, self._limit, keeps_connections=self._keeps_connections
        )

    def _let_go(self) -> None:
        with _sharing:
            self._holders -= 1
            is_unused = not self._holders
        if is_unused:
            self.close()


_sharing = threading.RLock()  # a store may be collected in a thread that holds it
_shared: "weakref.WeakValueDictionary[tuple[URL, bool, int], Connections]" = (
    weakref.WeakValueDictionary()
)
_all: "weakref.WeakSet[Connections]" = weakref.WeakSet()
_inherited: list[object] = []
"""Sessions and pools of a parent process, kept so that its child does not close them."""


def _after_fork() -> None:
    _sharing.release()
    for connections in list(_all):
        connections.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_sharing.acquire, after_in_parent=_sharing.release, after_in_child=_after_fork
    )
