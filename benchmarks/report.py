"""Turn pytest-benchmark's JSON into the ratios that we promise.

python benchmarks/report.py .benchmarks/last.json
"""

import json
import sys
from pathlib import Path


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
    for group in groups.values():
        first = next(iter(group.values()))
        print(f"\n{'':<30}{'median':>14}{'':>10}{'minimum':>14}")
        for name, times in group.items():
            cells = (
                f"{time * 1e6:>11.1f} µs{time / base:>8.2f} x"
                for time, base in zip(times, first, strict=True)
            )
            print(f"{name:<30}{''.join(cells)}")
    median, _ = groups["find"]["test_find_token"]
    bare, _ = groups["find"]["test_bare_sqlite3"]
    core, _ = groups["find"]["test_sqlalchemy_core"]
    print(
        f"\nfind_token: {median / bare:.2f} x bare sqlite3 (promise: 9), {median / core:.2f} x Core"
    )


if __name__ == "__main__":
    report(Path(sys.argv[1]))
