"""The figures of a run, as JSON: each section with where, when and with what it was measured."""

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

__all__ = ["Record", "add_section", "read_results"]

Record = dict[str, Any]
"""One measurement: what was measured, and its figures in seconds, MiB or counts."""

PACKAGES: Final = (
    "zoho-tokenstore",
    "SQLAlchemy",
    "cryptography",
    "psycopg",
    "PyMySQL",
    "mysql-connector-python",
    "zohocrmsdk8-0",
    "slack_sdk",
)


def add_section(path: Path, name: str, records: Sequence[Record], servers: Sequence[str]) -> None:
    """Put the records of one section into a file of results, in the place of earlier ones.

    Args:
        path: The file; the other sections in it stay.
        name: The section.
        records: What was measured.
        servers: The servers that took part, with their versions.
    """
    results = read_results(path)
    results[name] = {"environment": _environment(servers), "records": list(records)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def read_results(path: Path) -> dict[str, Any]:
    """Return the sections of a file of results, none if there is no file."""
    sections: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return sections


def _environment(servers: Sequence[str]) -> Record:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "servers": [f"SQLite {sqlite3.sqlite_version}", *servers],
    }


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return round(int(line.split()[1]) / 2**20)
    return 0


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
