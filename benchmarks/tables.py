"""Tables and figures in Markdown, from the records of a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = [
    "DATABASES",
    "NONE",
    "SPACE",
    "call_time",
    "code",
    "databases_of",
    "format_number",
    "format_time",
    "is_next_to",
    "table",
    "unique",
]

NONE: Final = "\N{EN DASH}"
SPACE: Final = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, so that no row of a table is taller than its first cell."""

DATABASES: Final = {
    "sqlite": "SQLite",
    "file": "a file",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def code(text: str) -> str:
    """Return a message as code on one line: it may have marks of Markdown's own."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def format_time(seconds: float | None) -> str:
    """Return a time with three digits, in the unit that suits it."""
    if seconds is None:
        return NONE
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:  # three digits of what is less are less, too
            return f"{format_number(seconds / size)}{SPACE}{unit}"
    return f"{format_number(seconds / 1e-6)}{SPACE}µs"


def format_range(first: float, last: float) -> str:
    """Return two times, the first without its unit if the last has the same."""
    start, end = format_time(first), format_time(last)
    number, unit = start.split(SPACE)
    return f"{number if end.endswith(SPACE + unit) else start}\N{EN DASH}{end}"


def format_number(value: float) -> str:
    """Return a number with three significant digits; whole ones as they are."""
    if value >= 999.5 or value == int(value):  # noqa: PLR2004 - no digit is left behind the point
        return f"{value:,.0f}"
    return f"{value:.3g}"


def call_time(records: Iterable[Mapping[str, Any]], *, spread: bool = False, **wanted: Any) -> str:
    """Return a call's time; if asked for, with the middle half of the rounds if it is wide."""
    for one in records:
        if all(one[name] == value for name, value in wanted.items()) and "median" in one:
            first, third = one["quartiles"]
            wide = spread and third > 1.1 * first
            return format_time(one["median"]) + (f" ({format_range(first, third)})" if wide else "")
    return NONE


def databases_of(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the databases of records, in the order of the pages."""
    found = {one["database"] for one in records}
    return [database for database in DATABASES if database in found and database != "file"]


def is_next_to(record: Mapping[str, Any], database: str) -> bool:
    """Return whether a record is shown with a database; files are shown with SQLite."""
    return record["database"] in (database, "file" if database == "sqlite" else database)


def unique(values: Iterable[Any]) -> list[Any]:
    """Return the values without repetitions, in their order."""
    return list(dict.fromkeys(values))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
