"""Where the command line writes: data to stdout, messages and progress to stderr."""

import re
from collections.abc import Iterable
from typing import Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

__all__ = ["data", "messages", "print_table", "print_values", "progress_bar"]

data: Final = Console(highlight=False, markup=False, soft_wrap=True)
messages: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


def progress_bar() -> Progress:
    """Return a progress bar, which is only seen on a terminal."""
    return Progress(console=messages, disable=not messages.is_terminal)


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, its values in as many lines as they need."""
    for column in table.columns:
        column.overflow = "fold"
    data.print(table, soft_wrap=False)


def print_values(values: Iterable[object]) -> None:
    """Print values in a line, separated by tabs, for other programs: nothing is cut or folded."""
    texts = ("" if value is None else str(value) for value in values)
    typer.echo("\t".join(CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", t) for t in texts))
