"""The pictures of a run's results, as SVG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.targets import OURS, latency_of, records_of

__all__ = ["draw"]

Results = Mapping[str, Any]

TITLES: Final = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
}
COLORS: Final = {
    OURS: "#0b5fa5",
    f"{OURS}, keyring": "#58a4e0",
    f"{OURS}, uncoordinated": "#8a6fb0",
    "bare driver": "#444444",
    "SQLAlchemy Core": "#999999",
    "slack_sdk": "#2e8b57",
    "naive SQLite": "#d9820f",
    "DBStore": "#c23b22",
    "FileStore": "#8c4a2f",
}
"""The peers that are shown, and how."""

FEWEST: Final = 9
WIDTH: Final = 4.8
"""Inches, so that a phone need not shrink a picture much."""

STYLE: Final[Any] = {
    "svg.hashsalt": "zoho_tokenstore",  # the same results make the same file
    "savefig.transparent": True,  # a page in the dark is seen through it
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw(results: Results, folder: Path) -> None:
    """Draw all pictures of what was measured.

    Args:
        results: The sections of a run.
        folder: Where the files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"size": _sizes, "ratio": _ratios, "crowds": _crowds}
    with mpl.rc_context(STYLE):
        for name, picture in pictures.items():
            picture(results).savefig(folder / f"{name}.svg", metadata={"Date": None})


def _sizes(results: Results) -> Figure:
    """Draw the time of a lookup against the number of tokens."""
    figure = Figure(figsize=(WIDTH, 6), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, database in zip(grid.flat, TITLES, strict=True):
        for peer, color in COLORS.items():
            found = [
                (one["rows"], one["median"] * 1e6)
                for one in records_of(results, "latency", operation="find by user", peer=peer)
                if _place_of(one) == database and "median" in one
            ]
            if found:
                points = tuple(zip(*found, strict=True))
                order = 4 if peer == OURS else 3  # ours lies on others that take as long
                axes.loglog(*points, "o-", color=color, label=peer, markersize=3, zorder=order)
        axes.set_title(TITLES[database])
        axes.grid(visible=True, color="#dddddd", linewidth=0.5)
    for axes in grid[1]:
        axes.set_xlabel("tokens")
    figure.supylabel("microseconds for a lookup", fontsize="medium")
    _legend(figure, *grid.flat)
    return figure


def _ratios(results: Results) -> Figure:
    """Draw the time of a lookup as a multiple of the bare driver's."""
    figure = Figure(figsize=(WIDTH, 9), layout="constrained")
    shown = [peer for peer in COLORS if peer != "bare driver"]
    for axes, database in zip(figure.subplots(len(TITLES), 1), TITLES, strict=True):
        floor = latency_of(results, database, "bare driver", FEWEST)
        found = {
            peer: median / floor
            for peer in shown
            if floor and (median := _fewest(results, database, peer))
        }
        names = list(reversed(found))
        bars = axes.barh(
            names, [found[name] for name in names], color=[COLORS[name] for name in names]
        )
        axes.bar_label(bars, fmt="%.3g", padding=3)
        axes.axvline(1, color=COLORS["bare driver"], linewidth=1)
        axes.margins(x=0.18)
        axes.set_title(TITLES[database])
    axes.set_xlabel("times the bare driver")
    return figure


def _crowds(results: Results) -> Figure:
    """Draw the requests for a refresh against the number of processes."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    size = 15
    for peer, color in COLORS.items():
        found: dict[int, int] = {}
        for one in records_of(results, "crowds", peer=peer):
            found[one["processes"]] = max(one["refreshes"], found.get(one["processes"], 0))
        if found:
            numbers = sorted(found)
            style = "o-" if peer == OURS else "o--"
            axes.loglog(
                numbers,
                [found[n] for n in numbers],
                style,
                base=2,
                color=color,
                label=peer,
                markersize=6 if peer == OURS else size,
            )
            size -= 0 if peer == OURS else 3  # rings, where several ask as often
            axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.axhline(10, color="#444444", linewidth=1)
    axes.text(0.02, 10.6, "Zoho allows ten", transform=axes.get_yaxis_transform())
    ticks = (1, 4, 10, 16, 64)
    axes.set_yticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.set_xlabel("processes that meet one expired token")
    axes.set_ylabel("requests for a refresh")
    _legend(figure, axes)
    return figure


def _fewest(results: Results, database: str, peer: str) -> float | None:
    """Return the median of a lookup with the fewest tokens; files are shown with SQLite."""
    found = latency_of(results, database, peer, FEWEST)
    return (
        latency_of(results, "file", peer, FEWEST) if database == "sqlite" and not found else found
    )


def _legend(figure: Figure, *panels: Axes) -> None:
    """Name every line once, below the panels."""
    named: dict[str, Any] = {}
    for axes in panels:
        lines, names = axes.get_legend_handles_labels()
        named |= dict(zip(names, lines, strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2)


def _place_of(record: Mapping[str, Any]) -> str:
    """Return the panel of a record: files are shown with SQLite."""
    return "sqlite" if record["database"] == "file" else str(record["database"])
