"""What a call costs: the peers take turns, round by round, with the same tokens."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from benchmarks.data import UNKNOWN
from benchmarks.opened import Opened
from benchmarks.peers import PEERS
from benchmarks.places import Places
from benchmarks.results import Record

__all__ = ["Plan", "measure"]

ROUNDS: Final = 15
ROUND_SECONDS: Final = 0.02
"""How long a peer is at work in each round, if one call does not take longer."""

BUDGET: Final = 2.0
"""Seconds for all rounds of a peer; there are three rounds at least."""

TOO_LONG: Final = 1.0
"""Seconds of a call after which a peer is not measured with more tokens."""

NEW: Final = 10_000_000
"""The first number of users who are saved anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured on one database.

    Attributes:
        database: The database.
        sizes: With how many tokens.
        full: With how many of them all operations are measured; else those of :data:`ALWAYS`.
    """

    database: str
    sizes: Sequence[int]
    full: int = 1_000


@dataclass(slots=True)
class Operation:
    """One operation of one peer.

    Attributes:
        call: Does it.
        is_right: Tells whether what it returned is right.
        tidy: Takes back what the calls have left.
    """

    call: Callable[[], Any]
    is_right: Callable[[Any], bool] = lambda _: True
    tidy: Callable[[], None] = lambda: None


def _find(opened: Opened, rows: int) -> Operation:
    user = rows // 2
    return Operation(opened.finding(user), lambda found: opened.is_right(found, user))


def _find_by_id(opened: Opened, rows: int) -> Operation:
    user = rows // 2
    return Operation(opened.finding_by_id(user), lambda found: opened.is_right(found, user))


def _find_by_refresh_token(opened: Opened, rows: int) -> Operation:
    user = rows // 2
    call = opened.finding_by_refresh_token(user)
    return Operation(call, lambda found: opened.is_right(found, user))


def _find_nothing(opened: Opened, _rows: int) -> Operation:
    return Operation(opened.finding(UNKNOWN), lambda found: opened.is_right(found, UNKNOWN))


def _save_update(opened: Opened, rows: int) -> Operation:
    save, numbers = opened.updating(rows // 2), count()
    return Operation(lambda: save(f"1000.{next(numbers):032x}.{0:032x}"))


def _save_new(opened: Opened, _rows: int) -> Operation:
    return _with_new_users(opened, opened.save_new)


def _first_login(opened: Opened, _rows: int) -> Operation:
    def log_in(user: int) -> None:
        opened.finding(user)()
        opened.save_new(user)

    return _with_new_users(opened, log_in)


def _with_new_users(opened: Opened, call: Callable[[int], None]) -> Operation:
    users, saved = count(NEW), list[int]()

    def call_with_next() -> None:
        user = next(users)
        call(user)
        saved.append(user)

    def forget() -> None:
        for user in saved:
            opened.forget(user)
        saved.clear()

    def is_stored(_: object) -> bool:
        return opened.is_right(opened.finding(saved[-1])(), saved[-1])

    return Operation(call_with_next, is_stored, forget)


def _get_all(opened: Opened, rows: int) -> Operation:
    return Operation(opened.get_all, lambda found: found == rows)


OPERATIONS: Final[Mapping[str, Callable[[Opened, int], Operation]]] = {
    "find by user": _find,
    "save update": _save_update,
    "find by id": _find_by_id,
    "find by refresh token": _find_by_refresh_token,
    "find nothing": _find_nothing,
    "save new": _save_new,
    "first login": _first_login,
    "get all": _get_all,
}
ALWAYS: Final = ("find by user", "save update")


class WrongError(Exception):
    """A peer did something else than it was asked for."""


@dataclass(slots=True)
class Cell:
    """The times of one operation of one peer.

    Attributes:
        operation: What is measured.
        calls: Calls in a round.
        rounds: How many rounds there shall be.
        times: A call's mean time in each round, in seconds.
    """

    operation: Operation
    calls: int = 1
    rounds: int = ROUNDS
    times: list[float] = field(default_factory=list)

    def prepare(self) -> None:
        """Call it the first times: see that it is right, and how long it takes.

        Raises:
            WrongError: It is not right.
        """
        found = self.operation.call()
        if not self.operation.is_right(found):
            raise WrongError("what it found or saved is not right")
        self.operation.tidy()
        self.run()
        seconds = self.times.pop()
        self.calls = max(1, min(1_000, int(ROUND_SECONDS / seconds)))
        self.rounds = max(3, min(ROUNDS, int(BUDGET / seconds / self.calls)))

    def run(self) -> None:
        """Measure one round."""
        call = self.operation.call
        began = time.perf_counter()
        for _ in range(self.calls):
            call()
        self.times.append((time.perf_counter() - began) / self.calls)
        self.operation.tidy()

    def figures(self) -> Record:
        """Return the median of the rounds, their quartiles and minimum, and how many calls."""
        first, median, third = statistics.quantiles(self.times, n=4, method="inclusive")
        return {
            "median": median,
            "quartiles": [first, third],
            "minimum": min(self.times),
            "calls": self.calls * len(self.times),
        }


def measure(plans: Sequence[Plan], places: Places) -> Iterator[Record]:
    """Measure all that is planned.

    Args:
        plans: What.
        places: Where the tokens are.

    Yields:
        A record for each peer and operation that there is.
    """
    for plan in plans:
        slow: set[tuple[str, str]] = set()
        for rows in sorted(plan.sizes):
            for operation in OPERATIONS if rows == plan.full else ALWAYS:
                for record in _compare(plan.database, operation, rows, places, slow):
                    if record.get("median", 0) > TOO_LONG:
                        slow.add((record["peer"], operation))
                    yield record


def _compare(
    database: str, operation: str, rows: int, places: Places, slow: set[tuple[str, str]]
) -> Iterator[Record]:
    """Measure one operation of all peers."""
    cells: list[tuple[Record, Cell]] = []
    with ExitStack() as stack:
        for name, peer in PEERS.items():
            place = None if (name, operation) in slow else places.get(name, database, rows)
            if place is None:
                continue
            about = {
                "database": place.database,
                "peer": name,
                "operation": operation,
                "rows": rows,
            }
            opened = peer.open(place)
            stack.callback(opened.close)
            try:
                cell = Cell(OPERATIONS[operation](opened, rows))
                cell.prepare()
            except NotImplementedError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever a peer may raise
                yield about | {"skipped": f"{type(error).__name__}: {error}"[:200]}
                continue
            cells.append((about, cell))
        for number in range(ROUNDS):
            for _, cell in random.sample(cells, len(cells)):
                if number < cell.rounds:
                    cell.run()
        for about, cell in cells:
            yield about | cell.figures()
