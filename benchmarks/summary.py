"""The first page about performance: what a call costs, and which goals are met."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.tables import DATABASES, NONE, SPACE, format_number, format_time, table
from benchmarks.targets import OURS, evaluate, latency_of, records_of

__all__ = ["summary"]

Results = Mapping[str, Any]

USUAL: Final = 1_000
"""Tokens in the tables of the first page."""

MANY: Final = 1_000_000

CALLS: Final = {
    "find by user": "a lookup",
    "save update": "a save after a refresh",
    "first login": "a first login",
}

COMPARED: Final = (
    ("sqlite", OURS),
    ("sqlite", "naive SQLite"),
    ("file", "FileStore"),
    ("postgresql", OURS),
    ("mariadb", OURS),
    ("mariadb", "DBStore"),
    ("mysql", OURS),
)
"""The store, and what an application would use instead."""

NAMES: Final = {
    OURS: "**zoho_tokenstore**",
    "naive SQLite": "a store of your own",
    "FileStore": "the SDK's `FileStore`",
    "DBStore": "the SDK's `DBStore`",
}

CROWD: Final = 16

METHOD: Final = """\
Each section was measured in one run, and no measured figure on these pages
is written by hand. [How it is measured](performance/method.md) names the machine, the versions
and the method. Compare the figures of a table with each other: times differ between machines."""

DETAILS: Final = """\
## Details

- [Lookups](performance/lookups.md): from 9 to 1,000,000 tokens, next to other stores
- [Other operations](performance/operations.md): saves, logins, lookups by ID; where the time goes
- [Many workers](performance/workers.md): up to 16 processes, or 64 threads
- [Crowds](performance/crowds.md): up to 64 processes that meet one expired token
- [Loading and memory](performance/loading.md): imports, exports, key rotation
- [How it is measured](performance/method.md)

```{toctree}
:hidden:

performance/lookups
performance/operations
performance/workers
performance/crowds
performance/loading
performance/method
```"""


def summary(results: Results) -> str:
    """Return the first page about these results."""
    parts = ["# Performance", *_answer(results), *_goals(results), METHOD, DETAILS]
    return "\n\n".join(parts) + "\n"


def _answer(results: Results) -> Iterator[str]:
    found = [
        f"{format_time(median)} on {DATABASES[database]}"
        for database in ("sqlite", "postgresql", "mariadb")
        if (median := latency_of(results, database, OURS, USUAL))
    ]
    if found:
        yield f"A lookup takes {', '.join(found)}.{_growth(results)}"
    rows = [
        [
            NAMES[peer],
            DATABASES[database],
            *(format_time(latency_of(results, database, peer, USUAL, call)) for call in CALLS),
        ]
        for database, peer in COMPARED
        if latency_of(results, database, peer, USUAL)
    ]
    if rows:
        yield table([f"with {USUAL:,} tokens", "on", *CALLS.values()], rows)
    crowd = [
        [NAMES[peer], DATABASES[database], *_crowd(results, database, peer)]
        for database, peer in COMPARED
        if any(records_of(results, "crowds", database=database, peer=peer, processes=CROWD))
    ]
    if crowd:
        yield (
            f"When {CROWD} processes meet one expired token, Zoho gets one request. It allows ten "
            "in ten minutes:"
        )
        yield table(["", "on", "requests to Zoho", "processes that were served"], crowd)


def _growth(results: Results) -> str:
    """Return how a lookup grows with the number of tokens."""
    few = latency_of(results, "sqlite", OURS, 9)
    many = latency_of(results, "sqlite", OURS, MANY)
    if not few or not many:
        return ""
    return (
        f" With {MANY:,} tokens, it takes {format_number(many / few)} times as long on SQLite as "
        "with nine."
    )


def _crowd(results: Results, database: str, peer: str) -> tuple[str, str]:
    wanted = {"database": database, "peer": peer, "processes": CROWD}
    for one in records_of(results, "crowds", **wanted):
        return str(one["refreshes"]), f"{one['succeeded']} of {CROWD}"
    return NONE, NONE


def _goals(results: Results) -> Iterator[str]:
    """Yield the goals that are not met, and those that are."""
    verdicts = evaluate(results)
    heads = ["", "goal", "found"]
    sections = {
        False: "## Goals that are not met",
        True: "## Goals that are met",
        None: "## Goals that were not measured",
    }
    for met, title in sections.items():
        rows = [
            [text, goal.replace(" ", SPACE), NONE if found is None else format_number(found)]
            for text, goal, found, is_met in verdicts
            if is_met is met
        ]
        if rows:
            yield title
            yield table(heads, rows)
    yield (
        "A lookup finds a token by its user's name, among nine tokens unless the goal says "
        "otherwise. [Where the time goes](performance/operations.md#where-the-time-goes) shows "
        "what a call consists of."
    )
