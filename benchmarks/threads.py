"""How many lookups the threads of one process make, ours and Core's with as many connections."""

import random
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Pool, event

from benchmarks.opened import Opened
from benchmarks.peers import PEERS
from benchmarks.places import Places
from benchmarks.results import Record
from benchmarks.throughput import percentiles

__all__ = ["measure"]

DATABASES: Final = ("postgresql", "mariadb")
COMPARED: Final = ("zoho_tokenstore", "SQLAlchemy Core")
THREADS: Final = (1, 8, 32, 64)
ROWS: Final = 1_000
WARM_UP: Final = 0.3
"""Seconds in which all connections are opened."""


@dataclass(slots=True)
class Lookups:
    """The lookups of one peer.

    Attributes:
        rates: Lookups per second, in each round.
        seconds: How long each lookup took.
        wrong: How often the token was another user's, or none.
        opened: How many connections were opened meanwhile.
    """

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    opened: int = 0


def measure(seconds: float, rounds: int, places: Places) -> Iterator[Record]:
    """Let threads look up random users without a pause; the peers take turns.

    Args:
        seconds: How long a round is.
        rounds: How many there are for each peer and number of threads.
        places: Where the tokens are.

    Yields:
        A record for each peer, database and number of threads.
    """
    for database in DATABASES:
        found = {peer: places.get(peer, database, ROWS) for peer in COMPARED}
        for number in THREADS:
            with ExitStack() as stack:
                opened = {
                    peer: stack.enter_context(closing(PEERS[peer].open(place)))
                    for peer, place in found.items()
                    if place is not None
                }
                measured = _take_turns(opened, number, seconds, rounds)
            for peer, lookups in measured.items():
                yield {
                    "database": database,
                    "peer": peer,
                    "threads": number,
                    "lookups_per_second": statistics.median(lookups.rates),
                    **percentiles(lookups.seconds),
                    "opened": lookups.opened,
                    "wrong": lookups.wrong,
                }


def _take_turns(
    opened: Mapping[str, Opened], threads: int, seconds: float, rounds: int
) -> dict[str, Lookups]:
    lookups = {peer: Lookups() for peer in opened}
    for peer in opened:
        _look_up(opened[peer], threads, WARM_UP, Lookups())
    for _ in range(rounds):
        for peer in random.sample(list(opened), len(opened)):
            with _counted_connections() as connections:
                _look_up(opened[peer], threads, seconds, lookups[peer])
            lookups[peer].opened += len(connections)
    return lookups


def _look_up(opened: Opened, threads: int, seconds: float, lookups: Lookups) -> None:
    """Let threads work for a while, and add what they did."""
    parts = [Lookups() for _ in range(threads)]
    began = time.perf_counter()
    end = began + seconds
    crew = [threading.Thread(target=_work, args=(opened, end, part)) for part in parts]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    took = time.perf_counter() - began
    lookups.rates.append(sum(len(part.seconds) for part in parts) / took)
    for part in parts:
        lookups.seconds += part.seconds
        lookups.wrong += part.wrong


def _work(opened: Opened, end: float, lookups: Lookups) -> None:
    while (began := time.perf_counter()) < end:
        user = random.randrange(ROWS)
        found = opened.finding(user)()
        lookups.seconds.append(time.perf_counter() - began)
        lookups.wrong += not opened.is_right(found, user)


@contextmanager
def _counted_connections() -> Iterator[list[object]]:
    """Collect the connections that any pool of this process opens."""
    opened: list[object] = []

    def note(connection: object, _record: object) -> None:
        opened.append(connection)

    event.listen(Pool, "connect", note)
    try:
        yield opened
    finally:
        event.remove(Pool, "connect", note)
