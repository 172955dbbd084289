"""Where the command line writes: data to stdout, messages and progress to stderr."""

from typing import Final

from rich.console import Console
from rich.progress import Progress

__all__ = ["data", "messages", "progress_bar"]

data: Final = Console(highlight=False, markup=False, soft_wrap=True)
messages: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def progress_bar() -> Progress:
    """Return a progress bar, which is only seen on a terminal."""
    return Progress(console=messages, disable=not messages.is_terminal)
