"""``zoho-tokenstore audit``: what happened to stored tokens."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from sqlalchemy import Row

from zoho_tokenstore.cli.console import data, print_table, print_values
from zoho_tokenstore.cli.options import Json, on_table, opened_table, span
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.audit import Event
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["register"]

COLUMNS: Final = (
    *("at", "event", "token_id", "user_name", "client_id", "credential", "host", "process"),
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(audit)


@on_table
def audit(
    settings: Settings,
    *,
    since: Annotated[
        str | None, typer.Option("--since", help="Only what is not older, such as 24h or 7d.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Only this token's.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this user's.")] = None,
    event: Annotated[
        Event | None, typer.Option("--event", help="Only this.", show_choices=True)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what happened to stored tokens, in its order: when, to whose, by which process."""
    asked = {"token_id": id, "user_name": user, "event": event}
    wanted = {name: value for name, value in asked.items() if value is not None}
    age = span(since, "--since")
    begin = datetime.fromtimestamp(0, UTC) if age is None else datetime.now(UTC) - age
    table = Table(*(name.replace("_", " ") for name in COLUMNS))
    with opened_table(settings) as opened:
        for entry in _entries(opened, begin, wanted):
            if as_json:
                data.print(json.dumps(entry))
            elif data.is_terminal:
                table.add_row(*("" if v is None else str(v) for v in entry.values()))
            else:
                print_values(entry.values())
    if table.row_count:
        print_table(table)


def _entries(
    opened: TokenTables, begin: datetime, wanted: dict[str, str]
) -> Iterator[dict[str, Any]]:
    after = opened.audit.first_id(begin)
    while page := opened.database.read(lambda s: opened.audit.read_entries(s, after)):  # noqa: B023 - called at once
        yield from (_shown(row) for row in page if _fits(row, wanted))
        after = page[-1].entry_id


def _fits(row: Row[Any], wanted: dict[str, str]) -> bool:
    return all(getattr(row, name) == value for name, value in wanted.items())


def _shown(row: Row[Any]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in COLUMNS}
    return values | {"at": f"{row.at:%Y-%m-%d %H:%M:%S.%f}Z"}
