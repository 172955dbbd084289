"""The pages about a run's results, in Markdown: no figure is written by hand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.summary import summary
from benchmarks.tables import (
    DATABASES,
    NONE,
    SPACE,
    call_time,
    code,
    databases_of,
    format_time,
    is_next_to,
    table,
    unique,
)
from benchmarks.targets import OURS, records_of
from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS

__all__ = ["pages"]

Results = Mapping[str, Any]

SECTIONS: Final = ("latency", "profile", "load", "threads", "throughput", "crowds", "memory")
FULL: Final = 1_000
"""The number of tokens with which all operations are measured."""

PACE: Final = ("median", "99 of 100", "wrong")
"""The heads of a crew's figures behind its calls per second."""

METHOD: Final = """\
The store is compared with its lower bounds (bare drivers and SQLAlchemy Core), the SDK's own
`FileStore` and `DBStore`, a naive SQLite store as applications write it, and `slack_sdk`'s
`SQLAlchemyInstallationStore`, which keeps the tokens of another service.

- `make bench` takes some minutes and prints the first tables. `make bench-full` takes most of
  an hour and writes these pages from its results, `performance.json`.
- Servers run on the same machine, with their default settings, for the measurement only.
  Unavailable servers are left out.
- In the sections latency and load, the measuring process keeps to one processor and the servers
  to the others, as on machines of their own. On one processor together, a lookup by bare psycopg
  takes a quarter of the time and ours nearly half, because no processor has to wake up another
  one. Left to the system, each peer runs now the one way, now the other.
- All peers store the same tokens, and take turns in a random order: 15 rounds of some
  hundredths of a second each, three if a call is slow. A disturbance of the machine therefore
  affects all of them.
- A figure is the median of the rounds' means. The tables of lookups also give the middle half of
  the rounds if its ends differ by more than a tenth.
- Machines differ, and shared ones differ from minute to minute. Read the ratios within a table,
  and do not compare times across machines.
- A dash is a figure that was not measured: the peer does not support the operation, failed (the
  failure is then listed), was not measured with so many tokens, or took more than a second per
  call with fewer tokens."""


def pages(results: Results) -> dict[str, str]:
    """Return the pages about these results, by path; sections that are missing are left out."""
    details = {
        "lookups": ["# Lookups", *_lookups(results)],
        "operations": [
            "# Other operations",
            *_operations(results),
            *_failures(results),
            *_profile(results),
        ],
        "workers": ["# Many workers", *_threads(results), *_throughput(results)],
        "crowds": ["# Crowds", *_crowds(results)],
        "loading": ["# Loading and memory", *_load(results), *_memory(results)],
        "method": ["# How it is measured", METHOD, *_environments(results)],
    }
    found = {f"performance/{name}.md": "\n\n".join(parts) for name, parts in details.items()}
    return {"performance.md": summary(results)} | {
        path: f"{text}\n" for path, text in found.items()
    }


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
        yield table(["section", "date", "machine", "Python", "databases"], rows)
        yield from (f"With {packages}." for packages in unique(software))


def _lookups(results: Results) -> Iterator[str]:
    records = list(records_of(results, "latency", operation="find by user"))
    if not records:
        return
    yield "A lookup of a token by its user's name."
    yield "![Time of a lookup against the number of tokens, both logarithmic](size.svg)"
    yield "![A lookup as a multiple of the bare driver's](ratio.svg)"
    for database in databases_of(records):
        chosen = [one for one in records if is_next_to(one, database)]
        sizes = sorted({one["rows"] for one in chosen})
        rows = [
            [
                peer,
                *(call_time(chosen, spread=True, rows=size, peer=peer) for size in sizes),
                _times(chosen, peer),
            ]
            for peer in unique(one["peer"] for one in chosen)
        ]
        yield f"## {DATABASES[database]}"
        yield table(
            ["", *(f"{size:,} tokens" for size in sizes), f"times the driver, {sizes[0]:,} tokens"],
            rows,
        )


def _operations(results: Results) -> Iterator[str]:
    records = list(records_of(results, "latency", rows=FULL))
    if not records:
        return
    yield (
        f"All operations, with {FULL:,} tokens. A save of the bare driver or of Core does what the "
        "store's does: it changes or inserts a row and inserts an entry into the audit table, in "
        "one durable transaction."
    )
    for database in databases_of(records):
        chosen = [one for one in records if is_next_to(one, database)]
        names = unique(one["operation"] for one in chosen)
        rows = [
            [peer, *(call_time(chosen, operation=name, peer=peer) for name in names)]
            for peer in unique(one["peer"] for one in chosen)
        ]
        yield f"## {DATABASES[database]}"
        yield table(["", *names], rows)


def _failures(results: Results) -> Iterator[str]:
    """Say of each cell that was skipped why it was."""
    failures = [
        f"- {one['peer']} on {DATABASES[one['database']]}, {one['operation']}, "
        f"{one['rows']:,} tokens: {code(one['skipped'])}"
        for one in records_of(results, "latency")
        if "skipped" in one
    ]
    if failures:
        yield "## Calls that failed"
        yield "\n".join(failures)


def _profile(results: Results) -> Iterator[str]:
    records = list(records_of(results, "profile"))
    if records:
        owners = unique(owner for one in records for owner in one["shares"])
        yield "## Where the time goes"
        yield (
            "Samples of the running Python function, in percent of a call's time. The time of C "
            "code counts as its caller's, so AES-GCM is in encryption."
        )
        rows = [
            [owner, *(f"{100 * one['shares'].get(owner, 0):.0f}" for one in records)]
            for owner in owners
        ]
        heads = (
            f"{one['operation']}, {DATABASES[one['database']]}{one['peer'].removeprefix(OURS)}"
            for one in records
        )
        yield table(["", *heads], rows)


def _load(results: Results) -> Iterator[str]:
    records = list(records_of(results, "load"))
    if records:
        yield "## Loading"
        yield f"`save_tokens` of {records[0]['rows']:,} new tokens, in tokens per second."
        peers = unique(one["peer"] for one in records)
        rows = [
            [DATABASES[database], *(_rate(records, database, peer) for peer in peers)]
            for database in databases_of(records)
        ]
        yield table(["", *peers], rows)


def _threads(results: Results) -> Iterator[str]:
    records = list(records_of(results, "threads"))
    if records:
        yield "## Threads that share a store"
        yield (
            "Lookups of random users among 1,000, without a pause, by the threads of one process. "
            f"The store and SQLAlchemy Core may hold {DEFAULT_CONNECTIONS} connections each, and "
            "take turns. The last column counts the connections that were opened after the first "
            "lookups."
        )
        rows = [
            [
                one["peer"],
                DATABASES[one["database"]],
                str(one["threads"]),
                *_pace(one, one["lookups_per_second"]),
                f"{one['opened']:,}",
            ]
            for one in records
        ]
        heads = ["", "on", "threads", "lookups per second", *PACE, "connections opened"]
        yield table(heads, rows)


def _throughput(results: Results) -> Iterator[str]:
    records = list(records_of(results, "throughput"))
    if records:
        yield "## Workers that find and save"
        yield (
            "Nine lookups for each save, of random users among 1,000. A wrong result is a missing "
            "token or another user's. A failure is a call that raised an error, or a process that "
            "could not open the store."
        )
        rows = [
            [
                one["peer"],
                DATABASES[one["database"]],
                _workers(one["processes"], one["threads"]),
                *_pace(one, one["calls_per_second"]),
                f"{one['failed']:,}",
            ]
            for one in records
        ]
        heads = ["", "on", "workers", "calls per second", *PACE, "failed"]
        yield table(heads, rows)


def _workers(processes: int, threads: int) -> str:
    """Name the workers: processes of one thread, or threads of one process."""
    if threads > 1:
        return f"{threads}{SPACE}threads"
    return f"{processes}{SPACE}process{'es' * (processes > 1)}"


def _pace(record: Mapping[str, Any], rate: float) -> list[str]:
    """Return how many calls there were in a second, and what :data:`PACE` names."""
    times = (format_time(record[name]) for name in ("p50", "p99"))
    return [f"{rate:,.0f}", *times, f"{record['wrong']:,}"]


def _crowds(results: Results) -> Iterator[str]:
    records = list(records_of(results, "crowds"))
    if records:
        sizes = sorted({one["processes"] for one in records})
        yield (
            "Processes with the real SDK that read a record at the same moment. Zoho takes a "
            "second for a refresh, and allows ten per refresh token in ten minutes. Each cell has "
            "the number of requests to Zoho, the processes that got their record, and the time "
            "until the last answer. With many processes on few cores, some start so late that they "
            "find the new token."
        )
        yield "![Requests for a refresh against the number of processes](crowds.svg)"
        rows = [
            [peer, DATABASES[database], *(_crowd(records, database, peer, n) for n in sizes)]
            for database, peer in unique((one["database"], one["peer"]) for one in records)
        ]
        yield table(["", "on", *(f"{n} process{'es' * (n > 1)}" for n in sizes)], rows)


def _memory(results: Results) -> Iterator[str]:
    records = list(records_of(results, "memory"))
    if records:
        yield "## Memory"
        yield f"Peaks of resident memory over {records[0]['rows']:,} tokens on SQLite."
        rows = [
            [
                one["operation"],
                f"{one['early_mib']}{SPACE}MiB",
                f"{one['peak_mib']}{SPACE}MiB",
                f"{one['seconds']:.0f}{SPACE}s",
                f"{one['rows'] / one['seconds']:,.0f}",
            ]
            for one in records
        ]
        heads = ["", "in the first 10 s", "at the peak", "time", "tokens per second"]
        yield table(heads, rows)


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
            served = f"{one['succeeded']}{SPACE}of{SPACE}{number}"
            return f"{one['refreshes']}, {served}, {one['seconds']:.1f}{SPACE}s"
    return NONE
