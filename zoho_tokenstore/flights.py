"""Refreshes under way in this process: threads wait for each other here, not on the database."""

import threading
import time
from dataclasses import dataclass, field

from zoho_tokenstore.errors import TokenStoreError

__all__ = ["Flight", "Flights"]


@dataclass(eq=False, slots=True)
class Flight:
    """One thread's turn at a token, or its wait for another process's.

    Attributes:
        until: When it is over whatever happens, by the monotonic clock, in seconds.
        thread: The thread whose turn it is.
        claim: What that thread has claimed, once it has.
        failure: Why it failed.
    """

    until: float
    thread: int = field(default_factory=threading.get_ident)
    claim: object = None
    failure: TokenStoreError | None = None
    _landed: threading.Event = field(default_factory=threading.Event)

    def land(self, failure: TokenStoreError | None = None) -> None:
        """End it, and wake up who waits."""
        self.failure = failure
        self._landed.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, for so many seconds at most."""
        self._landed.wait(min(seconds, max(0.0, self.until - time.monotonic())))

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or should have."""
        return self._landed.is_set() or time.monotonic() > self.until


class Flights:
    """The flights of one store, by the key of their lease."""

    def __init__(self) -> None:
        """Begin with none."""
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def board(self, key: str, seconds: float) -> tuple[Flight, bool]:
        """Return the flight that is under way, and whether it is this thread's.

        Args:
            key: The key of the lease.
            seconds: How long a new one may take.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and not flight.is_over:
                return flight, flight.thread == threading.get_ident()
            self._flights = {k: v for k, v in self._flights.items() if not v.is_over}
            flight = self._flights[key] = Flight(time.monotonic() + seconds)
            return flight, True
