"""Output of the command line: data to stdout, messages and progress to stderr."""

import re
from collections.abc import Iterable
from typing import Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

__all__ = ["data", "messages", "print_table", "print_values", "progress_bar", "quantity"]

data: Final = Console(highlight=False, markup=False, soft_wrap=True)
messages: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


def quantity(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 token``, ``2 tokens``.

    Args:
        number: Number of things.
        noun: Noun in the singular.
        plural: Plural, by default the noun with an ``s``.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def progress_bar() -> Progress:
    """Return a progress bar that is only visible on a terminal."""
    visible = messages.is_terminal
    # Rich before 14.3 ends a disabled bar with an empty line.
    return Progress(console=messages if visible else Console(quiet=True), disable=not visible)


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, with long values wrapped."""
    for column in table.columns:
        column.overflow = "fold"
    data.print(table, soft_wrap=False)


def print_values(values: Iterable[object]) -> None:
    """Print a line of tab-separated values, neither cut nor wrapped, for other programs."""
    texts = ("" if value is None else str(value) for value in values)
    typer.echo("\t".join(CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", t) for t in texts))
