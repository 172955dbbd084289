"""What a forked child starts anew: a lock stays held in it by a thread that it does not have."""

import os
import threading
import weakref
from typing import Final, Protocol

__all__ = ["ForkSafeLock", "start_anew_in_children"]


class StartsAnew(Protocol):
    """An object with a state that means nothing in a forked child."""

    def start_anew(self) -> None:
        """Forget what the threads of the parent were doing."""


_things: Final["weakref.WeakSet[StartsAnew]"] = weakref.WeakSet()


def start_anew_in_children(thing: StartsAnew) -> None:
    """Call ``thing.start_anew()`` in each child that is forked while the object lives."""
    _things.add(thing)


def _start_anew() -> None:
    for thing in list(_things):
        thing.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


class ForkSafeLock:
    """A lock that a forked child finds free."""

    def __init__(self) -> None:
        """Start free."""
        self.start_anew()
        start_anew_in_children(self)

    def start_anew(self) -> None:
        """Be free: the thread that holds the lock is the parent's."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        """Let it go."""
        self._lock.release()
