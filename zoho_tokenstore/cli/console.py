"""Where the command line writes: data to stdout, messages to stderr."""

from typing import Final

from rich.console import Console

__all__ = ["data", "messages"]

data: Final = Console(highlight=False, markup=False, soft_wrap=True)
messages: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
