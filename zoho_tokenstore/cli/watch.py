"""The command ``zoho-tokenstore watch``: logins and refreshes at a glance."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import typer

from zoho_tokenstore.cli.console import data, full_screen
from zoho_tokenstore.cli.options import on_table, open_table
from zoho_tokenstore.errors import ConfigurationError, DatabaseError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.activity import (
    DUE,
    FAILED,
    LeaseCounts,
    LoginCounts,
    count_leases,
    count_logins,
    recent,
)
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["Watch", "register"]

INTERVAL: Final = 2.0
"""Seconds between two looks at the database."""

SHARE: Final = 0.05
"""Part of the time that whole tables may be read, so that large ones are read less often."""

MINUTES: Final = (1, 5, 15)
"""Spans for which audit entries are counted."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(watch)


@on_table
def watch(settings: Settings) -> None:
    """Show logins by state, refreshes and failures, updated every two seconds, until Ctrl-C."""
    if not data.is_terminal:
        raise ConfigurationError(
            "stdout is not a terminal: run 'zoho-tokenstore stats' for counts, with --json or "
            "--prometheus for other programs"
        )
    with open_table(settings) as opened:
        watched = Watch(opened)
        try:
            with full_screen() as show:
                while True:
                    show(watched.lines())
                    time.sleep(INTERVAL)
        except KeyboardInterrupt:
            return


@dataclass(slots=True)
class Watch:
    """The view of a token table.

    Audit entries are looked up by their time. Whole tables are read so seldom that it takes a
    twentieth of the time: a small table at every look, one of a million tokens every ten seconds.

    Attributes:
        opened: The tables.
        counts: The latest counts of whole tables, ``None`` at first.
        counted_at: When they were made, by the monotonic clock.
        next_count: When they are made anew, by the monotonic clock.
    """

    opened: TokenTables
    counts: tuple[LoginCounts, LeaseCounts] | None = None
    counted_at: float = 0.0
    next_count: float = field(default=0.0)

    def lines(self) -> list[str]:
        """Look at the database; return the lines to show, an error of the database among them."""
        now = datetime.now(UTC)
        lines = [f"{self.opened.database}, table {self.opened.schema.name}, {now:%H:%M:%S}Z", ""]
        try:
            self._count()
            spans = [recent(self.opened, minutes) for minutes in MINUTES]
        except DatabaseError as error:
            return [*lines, str(error), "", f"trying again every {INTERVAL:.0f} s; Ctrl-C ends"]
        if self.counts is not None:
            lines += _counted(*self.counts)
        lines += _events(spans)
        age = time.monotonic() - self.counted_at
        return [*lines, "", f"tokens were counted {age:.0f} s ago; Ctrl-C ends"]

    def _count(self) -> None:
        began = time.monotonic()
        if self.counts is not None and began < self.next_count:
            return
        self.counts = count_logins(self.opened), count_leases(self.opened)
        self.counted_at = time.monotonic()
        self.next_count = self.counted_at + (self.counted_at - began) / SHARE


def _counted(logins: LoginCounts, leases: LeaseCounts) -> Iterator[str]:
    states = logins.states
    yield _row("logins", sum(states.values()))
    yield _row("  valid", states["valid"])
    yield _row(f"  due for a refresh within {DUE.seconds // 60} minutes", states["due"])
    yield _row("  expired", states["expired"])
    yield _row("  of unknown expiry", states["unknown"])
    yield _row("need a login", logins.needs_login)
    for name in logins.named:
        yield f"  {name}"
    if logins.needs_login > len(logins.named):
        yield "  … (zoho-tokenstore list --needs-login)"
    yield ""
    yield _row("refreshes under way", leases.running)
    yield _row("refreshes that must wait", leases.waiting)
    yield _row(
        f"refreshes failed within {FAILED.seconds // 60} minutes", sum(leases.failed.values())
    )
    for kind, number in leases.failed.items():
        if number:
            yield _row(f"  {kind}", number)
    yield ""


def _events(spans: list[dict[str, int]]) -> Iterator[str]:
    yield _row("audit entries of the last", *(f"{minutes} min" for minutes in MINUTES))
    for event in spans[-1]:
        numbers = [span[event] for span in spans]
        if any(numbers) or event == "refreshed":
            yield _row(f"  {event}", *numbers)


def _row(label: str, *values: int | str) -> str:
    columns = (f"{value:,}" if isinstance(value, int) else value for value in values)
    return f"{label:<36}" + "".join(f"{text:>10}" for text in columns)
