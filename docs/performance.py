"""Writes the pages about performance and their pictures: ``python docs/performance.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.plots import draw
from benchmarks.report import pages
from benchmarks.results import read_results

FOLDER = Path(__file__).parent / "explanation"
RESULTS = FOLDER / "performance.json"

if __name__ == "__main__":
    found = read_results(RESULTS)
    draw(found, FOLDER / "performance")
    for path, text in pages(found).items():
        (FOLDER / path).write_text(text)
