"""Measure, and show what was measured: ``python -m benchmarks quick`` or ``full``."""

import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks import crowds, latency, load, memory, profile, report, rotation, threads, throughput
from benchmarks.latency import Plan
from benchmarks.places import Places
from benchmarks.processors import on_one
from benchmarks.results import Record, add_section, read_results
from zoho_tokenstore.errors import ReadableSecretsWarning

app = typer.Typer(help=__doc__, no_args_is_help=True)

Output = Annotated[Path, typer.Option(help="Where the results go, as JSON.")]
Sections = Annotated[list[str] | None, typer.Option("--only", help="Measure this section only.")]

QUICK: Final = (
    Plan("sqlite", (9, 1_000, 50_000)),
    Plan("postgresql", (9, 1_000)),
    Plan("mariadb", (9, 1_000, 20_000)),
    Plan("mysql", (9,)),
)
FULL: Final = (
    Plan("sqlite", (9, 1_000, 50_000, 200_000, 1_000_000)),
    Plan("postgresql", (9, 1_000, 50_000, 1_000_000)),
    Plan("mariadb", (9, 1_000, 50_000, 1_000_000)),
    Plan("mysql", (9, 1_000, 50_000)),
)
ON_ONE: Final = ("latency", "load")
"""The sections whose measuring process keeps to one processor; the others use all."""

LOADED: Final = 20_000
MANY: Final = 1_000_000


@app.command()
def quick(output: Output = Path(".benchmarks/quick.json"), only: Sections = None) -> None:
    """Measure what a call costs, in a few minutes."""
    _measure(output, only or ["latency", "load", "threads"], QUICK)


@app.command()
def full(output: Output = Path("docs/explanation/performance.json"), only: Sections = None) -> None:
    """Measure everything, with a million tokens: most of an hour."""
    every = ["memory", "crowds", "throughput", "threads", "profile", "load", "latency"]
    _measure(output, only or every, FULL)


def _measure(output: Path, sections: Iterable[str], plans: tuple[Plan, ...]) -> None:
    for section in sections:
        with (
            tempfile.TemporaryDirectory() as folder,
            Places(Path(folder)).opened() as places,
            on_one() if section in ON_ONE else nullcontext(),
        ):
            records = _shown(_records_of(section, plans, places))
            add_section(output, section, records, places.server_versions())
    print(*report.pages(read_results(output)).values(), sep="\n")


def _records_of(section: str, plans: tuple[Plan, ...], places: Places) -> Iterable[Record]:
    measures: dict[str, Callable[[], Iterable[Record]]] = {
        "latency": partial(latency.measure, plans, places),
        "load": partial(load.measure, ("sqlite", "postgresql", "mariadb"), LOADED, places),
        "threads": partial(threads.measure, 1.0, 5, places),
        "throughput": partial(throughput.measure, 1.5, (1, 2, 4, 8, 16), (2, 4, 8, 16, 32), places),
        "profile": partial(profile.measure, places),
        "crowds": partial(crowds.measure, (1, 4, 16, 64), places),
        "memory": lambda: chain(memory.measure(MANY), rotation.measure(MANY)),
    }
    if section not in measures:
        raise typer.BadParameter(f"there is no section {section!r}")
    return measures[section]()


def _shown(records: Iterable[Record]) -> list[Record]:
    """Print each record as it comes."""
    shown = []
    for record in records:
        print(*record.values(), flush=True)
        shown.append(record)
    return shown


if __name__ == "__main__":
    warnings.simplefilter("ignore", ReadableSecretsWarning)
    app()
