"""Writes the page about performance and its pictures: ``python docs/performance.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.plots import draw
from benchmarks.report import page
from benchmarks.results import read_results

FOLDER = Path(__file__).parent / "explanation"
RESULTS = FOLDER / "performance.json"
PAGE = FOLDER / "performance.md"

if __name__ == "__main__":
    found = read_results(RESULTS)
    PAGE.write_text(page(found))
    draw(found, FOLDER / "performance")
