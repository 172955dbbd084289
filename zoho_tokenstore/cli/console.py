"""Output of the command line: data to stdout, messages and progress to stderr.

Nothing is printed in another way. All text passes :func:`harmless`, because user names, file names,
database servers and Zoho decide what is in it.
"""

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO, cast

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.text import Text

from zoho_tokenstore.tokens.text import harmless

__all__ = [
    "Output",
    "ask",
    "data",
    "discard_output",
    "flush_output",
    "full_screen",
    "messages",
    "print_values",
    "progress_bar",
    "quantity",
    "tolerate_encodings",
    "warnings_as_messages",
]


class Output:
    """One output of the command line.

    Args:
        to_stderr: Whether it is stderr instead of stdout.
    """

    def __init__(self, *, to_stderr: bool = False) -> None:
        """Follow the stream, which tests replace."""
        # Rich would replace ":smile:" in a user name.
        self.console: Final = Console(
            stderr=to_stderr, highlight=False, markup=False, emoji=False, soft_wrap=True
        )

    @property
    def is_terminal(self) -> bool:
        """Whether a terminal shows it."""
        return self.console.is_terminal

    def is_same_file(self, path: Path) -> bool:
        """Return whether a path, such as ``/dev/stdout``, leads to this stream."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self.console.file.fileno()))
        except (OSError, ValueError):  # there is no such file, or the stream has none
            return False

    @contextmanager
    def open_stream(self) -> Iterator[TextIO]:
        """Open the stream for a file that is written as it is, in UTF-8 like all files."""
        binary = cast("io.TextIOWrapper", self.console.file).buffer
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        try:
            yield file
            file.flush()
        finally:
            file.detach()

    def print(self, text: object = "", style: str = "") -> None:
        """Print a text as one line."""
        self.console.print(Text(harmless(text), style))

    def print_title(self, text: object) -> None:
        """Print a title after an empty line."""
        self.console.print()
        self.console.rule(Text(harmless(text), "bold"), align="left")

    def status(self, text: object) -> AbstractContextManager[object]:
        """Show what a block is doing, on a terminal only."""
        return self.console.status(Text(harmless(text)))


data: Final = Output()
messages: Final = Output(to_stderr=True)


def quantity(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 token``, ``2 tokens``.

    Args:
        number: Number of things.
        noun: Noun in the singular.
        plural: Plural, by default the noun with an ``s``.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


class TokenProgress(Progress):
    """A progress bar that says how many tokens are done when the operator interrupts it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        super().__exit__(kind, error, traceback)
        if kind is KeyboardInterrupt:
            done = sum(int(task.completed) for task in self.tasks)
            messages.print(
                f"zoho-tokenstore: interrupted after {quantity(done, 'token')}: run the command "
                "again to complete it",
                "red",
            )


def progress_bar() -> TokenProgress:
    """Return a progress bar that is only visible on a terminal."""
    visible = messages.is_terminal
    # Rich before 14.3 ends a disabled bar with an empty line.
    console = messages.console if visible else Console(quiet=True)
    return TokenProgress(console=console, disable=not visible)


def print_values(values: Iterable[object]) -> None:
    """Print a line of tab-separated values, neither cut nor wrapped, for other programs."""
    typer.echo("\t".join("" if value is None else harmless(value) for value in values))


@contextmanager
def full_screen() -> Iterator[Callable[[Iterable[str]], None]]:
    """Take the whole terminal for a block, which calls the result with the lines to show."""
    # The command waits between two looks itself, so no thread has to refresh the screen.
    with Live(console=data.console, screen=True, auto_refresh=False) as live:

        def show(lines: Iterable[str]) -> None:
            live.update(Text("\n".join(map(harmless, lines))), refresh=True)

        yield show


def ask(question: str) -> None:
    """Ask the operator to continue.

    Raises:
        Abort: The operator declines.
    """
    typer.confirm(harmless(question), abort=True, err=True)


def tolerate_encodings() -> None:
    """Let a stream whose encoding lacks a character show its escape sequence instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Write all data, so that a full disk is noticed.

    Raises:
        OSError: Stdout is not writable.
    """
    sys.stdout.flush()


def discard_output() -> None:
    """Discard what could not be written, which the end of the process would try again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def warnings_as_messages() -> Iterator[None]:
    """Print the warnings of a block as messages, without the source line that issued them."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        messages.print(f"zoho-tokenstore: warning: {message}", style="yellow")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
