"""The page about a run's results, in Markdown: no figure is written by hand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.targets import evaluate, records_of

__all__ = ["page"]

Results = Mapping[str, Any]

NONE: Final = "\N{EN DASH}"
DATABASES: Final = {
    "sqlite": "SQLite",
    "file": "a file",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
}
MET: Final = {True: "yes", False: "**no**", None: "not measured"}
SECTIONS: Final = ("latency", "profile", "load", "throughput", "crowds", "memory")
FULL: Final = 1_000
"""The number of tokens with which all operations are measured."""

INTRODUCTION: Final = """\
# Performance

Everything on this page was measured in one run of each section and is written by a program from its
results (`performance.json`): the store compared with its lower bounds (bare drivers and SQLAlchemy
Core), the SDK's own `FileStore` and `DBStore`, a naive SQLite store as applications write it, and
`slack_sdk`'s `SQLAlchemyInstallationStore`, the nearest relative elsewhere."""

NOISE: Final = """\
## How it is measured

`make bench` takes some minutes and prints the first tables; `make bench-full` takes most of an hour
and writes this page. Servers are private ones on loopback, with the settings that they come with;
what cannot be had is left out. All peers keep the same tokens, and take turns in a random order, 15
rounds of some hundredths of a second each (three if a call is slow): what disturbs the machine
disturbs them all. A figure is the median of the rounds' means; in the tables of calls the middle
half of the rounds is given too, where it is wider than a tenth. Machines differ, and shared ones
differ from minute to minute: read the ratios within a table, and do not compare times across
machines. A dash is what was not measured: a peer cannot do it or failed at it, which is listed, is
not tried with so many tokens, or took more than a second a call with fewer already."""


def page(results: Results) -> str:
    """Return the page about these results; sections that are missing are left out."""
    parts = [
        INTRODUCTION,
        *_environments(results),
        *_targets(results),
        *_lookups(results),
        *_operations(results),
        *_failures(results),
        *_profile(results),
        *_load(results),
        *_throughput(results),
        *_crowds(results),
        *_memory(results),
        NOISE,
    ]
    return "\n\n".join(parts) + "\n"


def _environments(results: Results) -> Iterator[str]:
    rows, software = [], []
    for section in SECTIONS:
        if section in results:
            about = results[section]["environment"]
            packages = ", ".join(f"{name} {found}" for name, found in about["packages"].items())
            servers = ", ".join(about["servers"])
            software.append(packages)
            rows.append([section, about["date"], about["machine"], about["python"], servers])
    if rows:
        yield _table(["section", "date", "machine", "Python", "databases"], rows)
        yield from (f"With {packages}." for packages in _unique(software))


def _targets(results: Results) -> Iterator[str]:
    rows = []
    for text, goal, found, met in evaluate(results):
        shown = NONE if found is None else _number(found)
        rows.append([text, goal, shown, MET[met]])
    yield "## What is promised"
    yield "Lookups of a token by its user's name, with 9 tokens, unless it says otherwise."
    yield _table(["", "goal", "found", "met"], rows)


def _lookups(results: Results) -> Iterator[str]:
    records = list(records_of(results, "latency", operation="find by user"))
    if not records:
        return
    yield "## A lookup, with any number of tokens"
    yield "![Time of a lookup against the number of tokens, both logarithmic](performance/size.svg)"
    yield "![A lookup as a multiple of the bare driver's](performance/ratio.svg)"
    for database in _databases(records):
        chosen = [one for one in records if _is_next_to(one, database)]
        sizes = sorted({one["rows"] for one in chosen})
        rows = [
            [peer, *(_call(chosen, rows=size, peer=peer) for size in sizes), _times(chosen, peer)]
            for peer in _unique(one["peer"] for one in chosen)
        ]
        yield f"**{DATABASES[database]}**"
        yield _table(
            ["", *(f"{size:,} tokens" for size in sizes), f"times the driver, {sizes[0]:,} tokens"],
            rows,
        )


def _operations(results: Results) -> Iterator[str]:
    records = list(records_of(results, "latency", rows=FULL))
    if not records:
        return
    yield f"## The other operations, with {FULL:,} tokens"
    for database in _databases(records):
        chosen = [one for one in records if _is_next_to(one, database)]
        names = _unique(one["operation"] for one in chosen)
        rows = [
            [peer, *(_call(chosen, operation=name, peer=peer) for name in names)]
            for peer in _unique(one["peer"] for one in chosen)
        ]
        yield f"**{DATABASES[database]}**"
        yield _table(["", *names], rows)


def _failures(results: Results) -> Iterator[str]:
    """Say of each cell that was skipped why it was."""
    failures = [
        f"- {one['peer']} on {DATABASES[one['database']]}, {one['operation']}, "
        f"{one['rows']:,} tokens: {_code(one['skipped'])}"
        for one in records_of(results, "latency")
        if "skipped" in one
    ]
    if failures:
        yield "What failed:"
        yield "\n".join(failures)


def _profile(results: Results) -> Iterator[str]:
    records = list(records_of(results, "profile"))
    if records:
        owners = _unique(owner for one in records for owner in one["shares"])
        yield "## Where the time goes"
        yield (
            "Samples of the Python function that is at work, in per cent of a call's time: what a "
            "target that is missed is made of. What C code takes is counted as its caller's, so "
            "AES-GCM is in encryption."
        )
        rows = [
            [
                f"{one['operation']}, {one['peer']}",
                DATABASES[one["database"]],
                *(f"{100 * one['shares'].get(owner, 0):.0f}" for owner in owners),
            ]
            for one in records
        ]
        yield _table(["", "on", *owners], rows)


def _load(results: Results) -> Iterator[str]:
    records = list(records_of(results, "load"))
    if records:
        yield "## Loading"
        yield f"`save_tokens` of {records[0]['rows']:,} new tokens, in tokens per second."
        peers = _unique(one["peer"] for one in records)
        rows = [
            [DATABASES[database], *(_rate(records, database, peer) for peer in peers)]
            for database in _databases(records)
        ]
        yield _table(["", *peers], rows)


def _throughput(results: Results) -> Iterator[str]:
    records = list(records_of(results, "throughput"))
    if records:
        yield "## Many workers"
        yield (
            "Nine lookups to one save, of any of 1,000 users. Wrong is a token that was another "
            "user's or none; failed is a call that raised, or a process that could not open the "
            "store at all."
        )
        rows = [
            [
                one["peer"],
                DATABASES[one["database"]],
                str(one["processes"]),
                str(one["threads"]),
                f"{one['calls_per_second']:,.0f}",
                _time(one["p50"]),
                _time(one["p99"]),
                f"{one['wrong']:,}",
                f"{one['failed']:,}",
            ]
            for one in records
        ]
        heads = ["", "on", "processes", "threads", "calls per second", "median", "99 of 100"]
        yield _table([*heads, "wrong", "failed"], rows)


def _crowds(results: Results) -> Iterator[str]:
    records = list(records_of(results, "crowds"))
    if records:
        sizes = sorted({one["processes"] for one in records})
        yield "## One expired token, and a crowd that needs it"
        yield (
            "Processes with the real SDK that read a record at the same moment. Zoho takes a "
            "second for a refresh, and allows ten of one refresh token in ten minutes. In each "
            "cell: the refreshes that it was asked for, the processes that got their record, and "
            "when the last one had its answer. Of many processes on few cores some come so late "
            "that they find the new token."
        )
        yield "![Requests for a refresh against the number of processes](performance/crowds.svg)"
        rows = [
            [peer, DATABASES[database], *(_crowd(records, database, peer, n) for n in sizes)]
            for database, peer in _unique((one["database"], one["peer"]) for one in records)
        ]
        yield _table(["", "on", *(f"{n} processes" for n in sizes)], rows)


def _memory(results: Results) -> Iterator[str]:
    records = list(records_of(results, "memory"))
    if records:
        yield "## Memory"
        yield f"Peaks of resident memory over {records[0]['rows']:,} tokens on SQLite."
        rows = [
            [
                one["operation"],
                f"{one['early_mib']} MiB",
                f"{one['peak_mib']} MiB",
                f"{one['seconds']:.0f} s",
                f"{one['rows'] / one['seconds']:,.0f}",
            ]
            for one in records
        ]
        heads = ["", "in the first 10 s", "at the peak", "time", "tokens per second"]
        yield _table(heads, rows)


def _is_next_to(record: Mapping[str, Any], database: str) -> bool:
    """Return whether a record is shown with a database; files are shown with SQLite."""
    return record["database"] in (database, "file" if database == "sqlite" else database)


def _databases(records: Iterable[Mapping[str, Any]]) -> list[str]:
    found = {one["database"] for one in records}
    return [database for database in DATABASES if database in found and database != "file"]


def _call(records: Iterable[Mapping[str, Any]], **wanted: Any) -> str:
    """Return a call's time, with the middle half of the rounds if it is wide."""
    for one in records:
        if all(one[name] == value for name, value in wanted.items()) and "median" in one:
            first, third = one["quartiles"]
            spread = f" ({_time(first)} to {_time(third)})" if third > 1.1 * first else ""
            return _time(one["median"]) + spread
    return NONE


def _times(records: Sequence[Mapping[str, Any]], peer: str) -> str:
    """Return a peer's time as a multiple of the bare driver's, with the fewest tokens."""
    fewest = min(one["rows"] for one in records)
    found = {one["peer"]: one.get("median") for one in records if one["rows"] == fewest}
    ours, bare = found.get(peer), found.get("bare driver")
    return f"{ours / bare:.2f}" if ours and bare else NONE


def _rate(records: Iterable[Mapping[str, Any]], database: str, peer: str) -> str:
    for one in records:
        if (one["database"], one["peer"]) == (database, peer):
            return f"{one['rows_per_second']:,.0f}"
    return NONE


def _crowd(records: Iterable[Mapping[str, Any]], database: str, peer: str, number: int) -> str:
    for one in records:
        if (one["database"], one["peer"], one["processes"]) == (database, peer, number):
            return f"{one['refreshes']}, {one['succeeded']} of {number}, {one['seconds']:.1f} s"
    return NONE


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _time(seconds: float | None) -> str:
    """Return a time with three digits, in the unit that suits it."""
    if seconds is None:
        return NONE
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:  # three digits of what is less are less, too
            return f"{_number(seconds / size)} {unit}"
    return f"{_number(seconds / 1e-6)} µs"


def _number(value: float) -> str:
    """Return a number with three significant digits; whole ones as they are."""
    if value >= 999.5 or value == int(value):  # noqa: PLR2004 - no digit is left behind the point
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _code(text: str) -> str:
    """Return a message as code on one line: it may have marks of Markdown's own."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
