"""Turn pytest-benchmark's JSON into the ratios that we promise.

python benchmarks/report.py .benchmarks/last.json
"""

import json
import sys
from pathlib import Path

GOALS = (
    ("find", "test_find_token", "test_bare_sqlite3", 9),
    ("find", "test_find_token", "test_find_token_uncoordinated", 1.05),
    ("find", "test_find_token_encrypted", "test_find_token", 1.25),
    ("find on postgresql", "test_find_token", "test_bare_psycopg", 3),
    ("find on mariadb", "test_find_token", "test_bare_pymysql", 3),
    ("find_token", "test_find[9]", "test_find_dbstore[9]", 1 / 5),
    ("find_token", "test_find[20000]", "test_find_dbstore[20000]", 1 / 15),
    ("save_token", "test_save[9]", "test_save_dbstore[9]", 1 / 3),
    ("save_token", "test_save[20000]", "test_save_dbstore[20000]", 1 / 8),
)
"""What is compared with what, and how many times its median ours may be at most."""


def report(path: Path) -> None:
    """Print each benchmark's median and minimum, with their ratios to the group's first one.

    The minimum is what a call costs when nothing else runs; where the two ratios differ, something
    else did.
    """
    results = json.loads(path.read_text())
    machine = results["machine_info"]
    print(f"Python {machine['python_version']}, {machine['system']}, {results['datetime'][:10]}")
    groups: dict[str, dict[str, tuple[float, float]]] = {}
    for result in results["benchmarks"]:
        times = result["stats"]["median"], result["stats"]["min"]
        groups.setdefault(result["group"], {})[result["name"]] = times
        if rows := result["extra_info"].get("rows"):
            print(f"{result['name']}: {rows / times[0]:,.0f} rows/s")
    for group in groups.values():
        first = next(iter(group.values()))
        print(f"\n{'':<30}{'median':>14}{'':>10}{'minimum':>14}")
        for name, times in group.items():
            cells = (
                f"{time * 1e6:>11.1f} µs{time / base:>8.2f} x"
                for time, base in zip(times, first, strict=True)
            )
            print(f"{name:<30}{''.join(cells)}")
    print()
    for name, ours, other, goal in GOALS:
        if other in groups.get(name, {}):
            ratio = groups[name][ours][0] / groups[name][other][0]
            print(f"{name}: {ours} takes {ratio:.2f} x {other} (goal: {goal:.2f})")


if __name__ == "__main__":
    report(Path(sys.argv[1]))
