"""What the project promises of its speed, each a ratio within one run, and whether it is kept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

__all__ = ["OURS", "TARGETS", "Target", "Verdict", "evaluate", "latency_of", "records_of"]

Results = Mapping[str, Any]

OURS: Final = "zoho_tokenstore"
ENCRYPTED: Final = f"{OURS}, keyring"
SERVERS: Final = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}
COMPARED: Final = {"sqlite": "SQLite"} | SERVERS
"""The databases whose saves have goals."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise.

    Attributes:
        text: What is compared with what.
        goal: The figure that is promised.
        find: Finds the figure in a run's results, ``None`` if it was not measured.
        at_least: Whether more is better.
    """

    text: str
    goal: float
    find: Callable[[Results], float | None]
    at_least: bool = False

    def is_met(self, found: float) -> bool:
        """Return whether a figure keeps the promise."""
        return found >= self.goal if self.at_least else found <= self.goal


class Verdict(NamedTuple):
    """What became of a promise; ``found`` and ``met`` are ``None`` if it was not measured."""

    text: str
    goal: str
    found: float | None
    met: bool | None


def evaluate(results: Results) -> list[Verdict]:
    """Return what became of every promise in a run."""
    return [_verdict(target, target.find(results)) for target in TARGETS]


def _verdict(target: Target, found: float | None) -> Verdict:
    limit = "at least" if target.at_least else "at most"
    met = None if found is None else target.is_met(found)
    return Verdict(target.text, f"{limit} {target.goal:,}", found, met)


def records_of(results: Results, section: str, **wanted: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a section that have these values."""
    for record in results.get(section, {}).get("records", []):
        if all(record[name] == value for name, value in wanted.items()):
            yield record


def latency_of(
    results: Results, database: str, peer: str, rows: int, operation: str = "find by user"
) -> float | None:
    """Return the median of a call in seconds, ``None`` if it was not measured."""
    wanted = {"database": database, "peer": peer, "rows": rows, "operation": operation}
    return next((one.get("median") for one in records_of(results, "latency", **wanted)), None)


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or denominator is None else numerator / denominator


def _times(  # noqa: PLR0913, PLR0917 - the names of what is compared
    database: str,
    peer: str,
    other: str,
    rows: int,
    operation: str,
    results: Results,
) -> float | None:
    """Return how many times as long as the other it takes."""
    return _ratio(
        latency_of(results, database, peer, rows, operation),
        latency_of(results, database, other, rows, operation),
    )


def _find(database: str, other: str, rows: int = 9) -> Callable[[Results], float | None]:
    return partial(_times, database, OURS, other, rows, "find by user")


def _faster(
    database: str, other: str, rows: int, operation: str = "find by user"
) -> Callable[[Results], float | None]:
    return partial(_times, database, other, OURS, rows, operation)


def _growth(results: Results) -> float | None:
    return _ratio(
        latency_of(results, "sqlite", OURS, 1_000_000), latency_of(results, "sqlite", OURS, 9)
    )


def _loaded(database: str, peer: str = OURS) -> Callable[[Results], float | None]:
    def find(results: Results) -> float | None:
        found = records_of(results, "load", database=database, peer=peer)
        return next((record["rows_per_second"] for record in found), None)

    return find


def _threads(database: str) -> Callable[[Results], float | None]:
    """Compare our lookups per second with Core's; return the worst ratio of all crews."""

    def find(results: Results) -> float | None:
        rates = {
            peer: {
                one["threads"]: one["lookups_per_second"]
                for one in records_of(results, "threads", database=database, peer=peer)
            }
            for peer in (OURS, "SQLAlchemy Core")
        }
        ours, core = rates.values()
        return min((ours[number] / core[number] for number in ours.keys() & core), default=None)

    return find


def _opened(results: Results) -> float | None:
    found = records_of(results, "threads", peer=OURS)
    return max((record["opened"] for record in found), default=None)


def _memory(results: Results) -> float | None:
    found = records_of(results, "memory", rows=1_000_000)
    return max((record["peak_mib"] for record in found), default=None)


def _refreshes(results: Results) -> float | None:
    found = records_of(results, "crowds", peer=OURS)
    return max((record["refreshes"] for record in found), default=None)


def _unserved(results: Results) -> float | None:
    found = records_of(results, "crowds", peer=OURS)
    return max((record["processes"] - record["succeeded"] for record in found), default=None)


SAVES: Final = (
    ("Save after a refresh on {}", "save update", OURS, (1.6, 1.4, 1.8)),
    ("Save after a refresh on {}, encrypted", "save update", ENCRYPTED, (2.2, 2.2, 2.2)),
    ("Save of a new user on {}", "save new", OURS, (2.2, 2.2, 2.2)),
    ("Save of a new user on {}, encrypted", "save new", ENCRYPTED, (2.2, 2.2, 2.2)),
)
"""Saves, and how many times as long as the bare driver each may take on each database."""

TARGETS: Final = (
    Target("Lookup on SQLite, relative to bare sqlite3", 9, _find("sqlite", "bare driver")),
    Target(
        "Lookup on SQLite, relative to SQLAlchemy Core", 1.5, _find("sqlite", "SQLAlchemy Core")
    ),
    Target("Lookup on SQLite, relative to the naive store", 1, _find("sqlite", "naive SQLite")),
    Target(
        "Lookup on SQLite, 200,000 tokens: times as fast as the naive store",
        100,
        _faster("sqlite", "naive SQLite", 200_000),
        at_least=True,
    ),
    Target("Lookup on SQLite, 1,000,000 tokens relative to 9", 1.2, _growth),
    Target(
        "Lookup on SQLite, 1,000 tokens: coordinated relative to uncoordinated",
        1.05,
        partial(_times, "sqlite", OURS, f"{OURS}, uncoordinated", 1_000, "find by user"),
    ),
    Target(
        "Lookup on SQLite, 1,000 tokens: encrypted relative to readable",
        1.15,
        partial(_times, "sqlite", ENCRYPTED, OURS, 1_000, "find by user"),
    ),
    Target(
        "Lookup on PostgreSQL, relative to bare psycopg", 1.6, _find("postgresql", "bare driver")
    ),
    Target("Lookup on MariaDB, relative to bare PyMySQL", 2.5, _find("mariadb", "bare driver")),
    Target("Lookup on MySQL, relative to bare PyMySQL", 2.5, _find("mysql", "bare driver")),
    Target(
        "Lookup on MariaDB: times as fast as DBStore",
        6,
        _faster("mariadb", "DBStore", 9),
        at_least=True,
    ),
    Target(
        "Lookup on MariaDB, 50,000 tokens: times as fast as DBStore",
        20,
        _faster("mariadb", "DBStore", 50_000),
        at_least=True,
    ),
    Target(
        "Save on MariaDB: times as fast as DBStore",
        3,
        _faster("mariadb", "DBStore", 9, "save update"),
        at_least=True,
    ),
    Target(
        "Save on MariaDB, 50,000 tokens: times as fast as DBStore",
        8,
        _faster("mariadb", "DBStore", 50_000, "save update"),
        at_least=True,
    ),
    *(
        Target(
            f"{save.format(name)}, relative to the bare driver",
            goal,
            partial(_times, database, peer, "bare driver", 1_000, operation),
        )
        for save, operation, peer, goals in SAVES
        for (database, name), goal in zip(COMPARED.items(), goals, strict=True)
    ),
    *(
        Target(
            f"Lookups by 1 to 64 threads on {name}: at worst, times as many as SQLAlchemy Core",
            1,
            _threads(database),
            at_least=True,
        )
        for database, name in SERVERS.items()
    ),
    Target("Connections opened by up to 64 threads after the first lookups", 0, _opened),
    Target("Tokens loaded per second on SQLite", 20_000, _loaded("sqlite"), at_least=True),
    Target(
        "Tokens loaded per second on SQLite, encrypted",
        15_000,
        _loaded("sqlite", ENCRYPTED),
        at_least=True,
    ),
    Target("Tokens loaded per second on PostgreSQL", 10_000, _loaded("postgresql"), at_least=True),
    Target("MiB of memory of any operation, 1,000,000 tokens", 120, _memory),
    Target("Refreshes per crowd, on any database", 1, _refreshes),
    Target("Processes of a crowd that were not served, on any database", 0, _unserved),
)
"""All of them; lookups by user unless said otherwise."""
