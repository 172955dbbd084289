"""The command ``zoho-tokenstore audit``."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from zoho_tokenstore.cli.console import data, print_table, print_values
from zoho_tokenstore.cli.options import Json, on_table, open_table, parse_duration
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.audit import Event
from zoho_tokenstore.storage.queries import iter_audit_entries
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
        str | None,
        typer.Option(
            "--since", help="Only show entries of the last time span, for example 24h or 7d."
        ),
    ] = None,
    token_id: Annotated[
        str | None, typer.Option("--id", help="Only show entries of the token with this id.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only show entries of this user's tokens.")
    ] = None,
    event: Annotated[
        Event | None,
        typer.Option("--event", help="Only show entries of this event.", show_choices=True),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the audit log in chronological order."""
    filters = {"token_id": token_id, "user_name": user, "event": event}
    age = parse_duration(since, "--since")
    begin = datetime.fromtimestamp(0, UTC) if age is None else datetime.now(UTC) - age
    rows = list[list[Any]]()
    with open_table(settings) as opened:
        for entry in _entries(opened, begin, filters):
            if as_json:
                data.print(json.dumps(entry))
            elif data.is_terminal:
                rows.append([*entry.values()])
            else:
                print_values(entry.values())
    if rows:
        print_table([name.replace("_", " ") for name in COLUMNS], rows)


def _entries(
    opened: TokenTables, begin: datetime, filters: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    for entry in iter_audit_entries(opened.database, opened.audit, begin):
        if all(value in (None, entry[name]) for name, value in filters.items()):
            shown = {name: entry[name] for name in COLUMNS}
            yield shown | {"at": f"{entry['at']:%Y-%m-%d %H:%M:%S.%f}Z"}
