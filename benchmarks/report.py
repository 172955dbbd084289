"""Turn pytest-benchmark's JSON into the ratios that we promise.

python benchmarks/report.py .benchmarks/last.json
"""

import json
import sys
from pathlib import Path


def report(path: Path) -> None:
    """Print each median with its ratio to the group's first one."""
    results = json.loads(path.read_text())
    machine = results["machine_info"]
    print(f"Python {machine['python_version']}, {machine['system']}, {results['datetime'][:10]}")
    groups: dict[str, list[tuple[str, float]]] = {}
    for result in results["benchmarks"]:
        groups.setdefault(result["group"], []).append((result["name"], result["stats"]["median"]))
    for rows in groups.values():
        print()
        first = rows[0][1]
        for name, median in rows:
            print(f"{name:<32}{median * 1e6:>10.1f} µs{median / first:>8.2f} x")
    find = dict(groups["find"])
    print()
    print(
        f"find_token: {find['test_find_token'] / find['test_bare_sqlite3']:.2f} x bare sqlite3 "
        f"(promise: 9), {find['test_find_token'] / find['test_sqlalchemy_core']:.2f} x Core"
    )


if __name__ == "__main__":
    report(Path(sys.argv[1]))
