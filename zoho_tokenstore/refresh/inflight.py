"""Refreshes under way in this process: threads wait for each other here, not on the database."""

import threading
import time
from dataclasses import dataclass, field

from zoho_tokenstore.errors import TokenStoreError

__all__ = ["InflightRefresh", "SingleFlight"]


@dataclass(eq=False, slots=True)
class InflightRefresh:
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
    _finished: threading.Event = field(default_factory=threading.Event)

    def finish(self, failure: TokenStoreError | None = None) -> None:
        """End it, and wake up who waits."""
        self.failure = failure
        self._finished.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, for so many seconds at most."""
        self._finished.wait(min(seconds, max(0.0, self.until - time.monotonic())))

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or should have."""
        return self._finished.is_set() or time.monotonic() > self.until


class SingleFlight:
    """The refreshes under way in one store, by the key of their lease."""

    def __init__(self) -> None:
        """Begin with none."""
        self._single_flight: dict[str, InflightRefresh] = {}
        self._lock = threading.Lock()

    def join(self, key: str, seconds: float) -> tuple[InflightRefresh, bool]:
        """Return the refresh that is under way, and whether it is this thread's.

        Args:
            key: The key of the lease.
            seconds: How long a new one may take.
        """
        with self._lock:
            inflight = self._single_flight.get(key)
            if inflight is not None and not inflight.is_over:
                return inflight, inflight.thread == threading.get_ident()
            self._single_flight = {k: v for k, v in self._single_flight.items() if not v.is_over}
            inflight = self._single_flight[key] = InflightRefresh(time.monotonic() + seconds)
            return inflight, True
