"""The command ``zoho-tokenstore audit``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from zoho_tokenstore.cli.console import data, print_values
from zoho_tokenstore.cli.options import Json, on_table, open_table
from zoho_tokenstore.cli.tables import print_table, short_ids
from zoho_tokenstore.cli.users import print_other_names
from zoho_tokenstore.settings import Settings, parse_duration
from zoho_tokenstore.storage.audit import Event
from zoho_tokenstore.storage.ids import complete_audited_id
from zoho_tokenstore.storage.queries import TokenQueries, iter_audit_entries
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["register"]

COLUMNS: Final = (
    *("at", "event", "token_id", "user_name", "client_id", "credential", "host", "process"),
)

OPTIONAL: Final = ("client id", "credential", "process", "host", "user name", "token id")

REST: Final = COLUMNS[3:]

SECONDS: Final = len("2026-01-01 00:00:00")
"""Characters of a time without its fraction."""


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
        str | None,
        typer.Option(
            "--id", help="Only show entries of the token whose id is, or begins with, this."
        ),
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
    age = parse_duration(since, "--since")
    begin = datetime.fromtimestamp(0, UTC) if age is None else datetime.now(UTC) - age
    rows = []
    with open_table(settings) as opened:
        wanted = token_id and complete_audited_id(opened.database, opened.table, token_id)
        filters = {"token_id": wanted, "user_name": user, "event": event}
        for entry in _entries(opened, begin, filters):
            if as_json:
                data.print(json.dumps(entry))
            elif data.is_terminal:
                rows.append(entry)
            else:
                print_values(entry.values())
        if user is not None:
            print_other_names(TokenQueries(opened.database, opened.table), user)
    if rows:
        _print_table(rows)


def _print_table(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of the entries, with times and ids as short as they are legible."""
    ids = short_ids([entry["token_id"] for entry in entries])
    print_table(
        [name.replace("_", " ") for name in COLUMNS],
        [
            [entry["at"][:SECONDS], entry["event"], ids[entry["token_id"]], *map(entry.get, REST)]
            for entry in entries
        ],
        optional=OPTIONAL,
    )


def _entries(
    opened: TokenTables, begin: datetime, filters: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    for entry in iter_audit_entries(opened.database, opened.audit, begin):
        if all(value in (None, entry[name]) for name, value in filters.items()):
            shown = {name: entry[name] for name in COLUMNS}
            yield shown | {"at": f"{entry['at']:%Y-%m-%d %H:%M:%S.%f}Z"}
