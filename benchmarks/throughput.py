"""How many calls all workers make together, processes or threads, and how long each call waits."""

import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from benchmarks.opened import Opened, Place
from benchmarks.peers import PEERS
from benchmarks.places import Places
from benchmarks.results import Record

__all__ = ["measure", "percentiles"]

ROWS: Final = 1_000
SAVES: Final = 10
"""Of so many calls one saves a new access token; the others find a user's token."""

COMPARED: Final = (
    ("zoho_tokenstore", "sqlite"),
    ("zoho_tokenstore, keyring", "sqlite"),
    ("slack_sdk", "sqlite"),
    ("naive SQLite", "sqlite"),
    ("FileStore", "sqlite"),
    ("zoho_tokenstore", "postgresql"),
    ("zoho_tokenstore", "mariadb"),
    ("DBStore", "mariadb"),
)
"""The peers, each with its database; files are with SQLite."""


@dataclass(slots=True)
class Work:
    """What workers have done.

    Attributes:
        seconds: How long each call took.
        wrong: How often the token was another user's, or none.
        failed: How often a call raised.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    failed: int = 0

    def add(self, other: "Work") -> None:
        """Add another's."""
        self.seconds += other.seconds
        self.wrong += other.wrong
        self.failed += other.failed


def measure(
    seconds: float, processes: Sequence[int], threads: Sequence[int], places: Places
) -> Iterator[Record]:
    """Let workers find and save for a while.

    Args:
        seconds: For how long.
        processes: Numbers of processes, each with one thread.
        threads: Numbers of threads in one process.
        places: Where the tokens are.

    Yields:
        A record for each peer and number of workers.
    """
    crews = [(number, 1) for number in processes] + [(1, number) for number in threads]
    for peer, database in COMPARED:
        for crew in crews:
            place = places.fill(peer, database, ROWS)  # anew: some are damaged by being used
            if place is None:
                break
            work = _run(peer, place, crew, seconds)
            yield {
                "database": place.database,
                "peer": peer,
                "processes": crew[0],
                "threads": crew[1],
                "calls_per_second": len(work.seconds) / seconds,
                "calls": len(work.seconds),
                "wrong": work.wrong,
                "failed": work.failed,
                **percentiles(work.seconds),
            }


def percentiles(seconds: list[float]) -> Record:
    """Return how long half of the calls take at most, and 99 of 100."""
    if len(seconds) < 2:  # noqa: PLR2004 - of one there are none
        return {"p50": None, "p99": None}
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": hundredths[49], "p99": hundredths[98]}


def _run(peer: str, place: Place, crew: tuple[int, int], seconds: float) -> Work:
    """Let a crew work, and add up what it did."""
    # Forked, before any connection is open: so many interpreters take longer to start than to work.
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    ready = context.Barrier(crew[0])
    workers = [
        context.Process(target=_attend, args=((peer, place), crew[1], seconds, ready, results))
        for _ in range(crew[0])
    ]
    for worker in workers:
        worker.start()
    total = Work()
    for _ in workers:
        total.add(results.get(timeout=120))
    for worker in workers:
        worker.join()
    return total


def _attend(
    where: tuple[str, Place], threads: int, seconds: float, ready: Any, results: Any
) -> None:
    """Be one process."""
    work = Work()
    try:
        peer, place = where
        opened = PEERS[peer].open(place)
    except Exception:  # noqa: BLE001 - another process has damaged it already
        ready.wait(60)
        results.put(Work(failed=1))
        return
    with closing(opened):
        _call(opened, 1, Work())  # connects
        ready.wait(60)
        end = time.perf_counter() + seconds
        parts = [Work() for _ in range(threads)]
        crew = [threading.Thread(target=_work, args=(opened, end, part)) for part in parts]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        for part in parts:
            work.add(part)
    results.put(work)


def _work(opened: Opened, end: float, work: Work) -> None:
    numbers = count(1)
    while time.perf_counter() < end:
        _call(opened, next(numbers), work)


def _call(opened: Opened, number: int, work: Work) -> None:
    """Find any user's token, or save one."""
    user = random.randrange(ROWS)
    began = time.perf_counter()
    try:
        if number % SAVES:
            found = opened.finding(user)()
            took = time.perf_counter() - began
            work.wrong += not opened.is_right(found, user)
        else:
            save = opened.updating(user)
            began = time.perf_counter()
            save(f"1000.{random.randbytes(16).hex()}.{0:032x}")
            took = time.perf_counter() - began
    except Exception:  # noqa: BLE001 - whatever a peer may raise
        work.failed += 1
    else:
        work.seconds.append(took)
