"""Where the time of a call goes: what cannot be made faster here is not our code.

A timer looks at every 0.2 ms which function of Python's is at work: unlike a profiler that counts
calls, it does not make many small functions look dear. What C code takes is its caller's.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from types import FrameType
from typing import Any, Final

from benchmarks.opened import Opened
from benchmarks.peers import PEERS
from benchmarks.places import Places
from benchmarks.results import Record

__all__ = ["measure"]

ROWS: Final = 1_000
INTERVAL: Final = 0.0002
SECONDS: Final = 3.0

DRIVER: Final = "driver and database"
OWNERS: Final = (
    ("/socket.py", DRIVER),
    ("/postgresql.py", DRIVER),
    ("do_execute", DRIVER),
    ("fetch", DRIVER),
    ("pymysql", DRIVER),
    ("psycopg", DRIVER),
    ("sqlalchemy", "SQLAlchemy"),
    ("zohocrmsdk", "the SDK"),
    ("/database/compiled.py", DRIVER),
    ("/encryption/", "encryption"),
    ("digests.py", "digests"),
    ("zoho_tokenstore/", "zoho_tokenstore"),
)
"""Whose a function is, by the first of these that its file or name contains."""


def measure(places: Places) -> Iterator[Record]:
    """Look into the calls whose targets are hardest to meet.

    Yields:
        The share of each owner in the time of a call.
    """
    for peer, database, operation in PROFILED:
        place = places.get(peer, database, ROWS)
        if place is None:
            continue
        with closing(PEERS[peer].open(place)) as opened:
            call = OPERATIONS[operation](opened)
            call()
            samples = _sample(call)
        yield {
            "database": database,
            "peer": peer,
            "operation": operation,
            "samples": samples.total(),
            "shares": {name: number / samples.total() for name, number in samples.most_common()},
        }


def _sample(call: Callable[[], Any]) -> Counter[str]:
    """Make calls for a while; return how often each owner was met."""
    met: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            met[_owner(f"{frame.f_code.co_filename} {frame.f_code.co_name}")] += 1

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return met


def _find(opened: Opened) -> Callable[[], Any]:
    return opened.finding(ROWS // 2)


def _save(opened: Opened) -> Callable[[], Any]:
    save, numbers = opened.updating(ROWS // 2), count()
    return lambda: save(f"1000.{next(numbers):032x}.{0:032x}")


OPERATIONS: Final = {"find by user": _find, "save update": _save}
PROFILED: Final = (
    ("zoho_tokenstore", "sqlite", "find by user"),
    ("zoho_tokenstore, keyring", "sqlite", "find by user"),
    ("zoho_tokenstore", "postgresql", "find by user"),
    ("zoho_tokenstore", "mariadb", "find by user"),
    ("zoho_tokenstore", "mariadb", "save update"),
)


def _owner(where: str) -> str:
    return next((owner for part, owner in OWNERS if part in where), "other Python")
