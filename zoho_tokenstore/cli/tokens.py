"""The commands that look at stored tokens: list, show, stats."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import typer
from rich.table import Column, Table
from sqlalchemy import select

from zoho_tokenstore.cli.console import data, print_table, print_values
from zoho_tokenstore.cli.options import Json, on_table, opened_table
from zoho_tokenstore.errors import UnknownIdError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.maintenance import iter_records, needs_login, refused_logins
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord, mask

__all__ = ["register"]

COLUMNS: Final = ("id", "user_name", "client_id", "refresh_token", "access_token", "expires")
HOUR: Final = 3_600_000

Sort = Literal["user", "client", "expiry", "id"]
SORTED_BY: Final = {"user": "user_name", "client": "client_id", "expiry": "expiry", "id": "id"}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("list")(list_tokens)
    app.command()(show)
    app.command()(stats)


@on_table
def list_tokens(
    settings: Settings,
    *,
    user: Annotated[str | None, typer.Option("--user", help="Only this user's.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="Only this client id's.")] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only those whose access token has expired.")
    ] = False,
    needs: Annotated[
        bool, typer.Option("--needs-login", help="Only those that only the user can bring back.")
    ] = False,
    sort: Annotated[Sort, typer.Option("--sort", help="What to sort by.")] = "user",
    as_json: Json = False,
) -> None:
    """List the stored tokens, secrets masked, and those that cannot be read."""
    now = _now()

    def is_asked_for(token: TokenRecord) -> bool:
        return (
            user in (None, token.user_name)
            and client in (None, token.client_id)
            and (not expired or (token.expiry is not None and token.expiry <= now))
            and (not needs or needs_login(token, now, refused))
        )

    unreadable: dict[str, str] = {}
    with opened_table(settings) as opened:
        refused = refused_logins(opened.database, opened.table, opened.codec)
        rows = [
            _shown(record, now, refused)
            for record in _every(opened, unreadable)
            if is_asked_for(record)
        ]
    key = SORTED_BY[sort]
    rows.sort(key=lambda row: (row.get(key) is None, row.get(key), row["id"]))
    rows += [{"id": token_id, "error": error} for token_id, error in unreadable.items()]
    if as_json:
        data.print(json.dumps(rows))
    elif data.is_terminal:
        print_table(_table(rows))
    else:
        _print_lines(rows)
    if unreadable:
        raise typer.Exit(1)


@on_table
def show(
    settings: Settings,
    *,
    id: Annotated[str, typer.Argument(metavar="ID", help="The token's id.")],
    as_json: Json = False,
) -> None:
    """Show one stored token, secrets masked."""
    with opened_table(settings) as opened:
        key = TokenRecord(id=id)
        found = opened.database.read(lambda session: opened.tokens.find_row(session, key))
        if found is None:
            raise UnknownIdError(f"no token is stored under the id {id!r}")
        refused = refused_logins(opened.database, opened.table, opened.codec)
        times = _times(opened, id)
    shown = _shown(found, _now(), refused) | times
    if as_json:
        data.print(json.dumps(shown))
        return
    for name in (*FIELDS, "expires", *times, "needs_login"):
        if name in shown and name != "expiry":
            data.print(f"{name.replace('_', ' ')}: {shown[name]}")


@on_table
def stats(settings: Settings, *, as_json: Json = False) -> None:
    """Count users, clients, tokens that expire or need the user, and today's refreshes."""
    now = _now()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    users, clients, unreadable = set(), set(), dict[str, str]()
    counts = dict.fromkeys(("tokens", "expired", "expiring_within_the_hour", "needs_login"), 0)
    with opened_table(settings) as opened:
        refused = refused_logins(opened.database, opened.table, opened.codec)
        for token in _every(opened, unreadable):
            users.add(token.user_name)
            clients.add(token.client_id)
            counts["tokens"] += 1
            counts["expired"] += token.expiry is not None and token.expiry <= now
            counts["expiring_within_the_hour"] += now < (token.expiry or 0) <= now + HOUR
            counts["needs_login"] += needs_login(token, now, refused)
        refreshes = opened.database.read(
            lambda session: opened.audit.count_events(session, "refreshed", today)
        )
    found = {
        "users": len(users - {None}),
        "clients": len(clients - {None}),
        **counts,
        "unreadable": len(unreadable),
        "refreshes_today": refreshes,
    }
    if as_json:
        data.print(json.dumps(found))
    else:
        for name, number in found.items():
            data.print(f"{name.replace('_', ' ')}: {number}")


def _every(opened: TokenTables, unreadable: dict[str, str]) -> Iterator[TokenRecord]:
    """Yield the tokens that can be read, and note why the others cannot."""
    return iter_records(
        opened.database,
        opened.tokens,
        lambda error: unreadable.update(dict.fromkeys(error.token_ids, str(error))),
    )


def _shown(record: TokenRecord, now: int, refused: Mapping[str, str]) -> dict[str, Any]:
    """Return what may be seen of a token."""
    shown: dict[str, Any] = {
        name: mask(str(value)) if name in SECRET_FIELDS else value
        for name, value in record.known().items()
    }
    if record.expiry is not None:
        moment = time.gmtime(record.expiry / 1000)
        shown["expires"] = time.strftime("%Y-%m-%d %H:%M:%SZ", moment)
    return shown | {"needs_login": needs_login(record, now, refused)}


def _times(opened: TokenTables, token_id: str) -> dict[str, str]:
    c = opened.table.c
    names = ("created_at", "login_at", "updated_at", "used_at")
    found = select(*(c[name] for name in names)).where(c.id_digest == digest("id", token_id))
    row = opened.database.read(lambda session: session.execute(found).first())
    times = zip(names, row or (), strict=False)
    return {name: f"{at:%Y-%m-%d %H:%M:%SZ}" for name, at in times if at}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(Column("id", no_wrap=True), *(name.replace("_", " ") for name in COLUMNS[1:]))
    for row in rows:
        if "error" in row:
            table.add_row(row["id"], row["error"], style="red")
        else:
            table.add_row(
                *(row.get(name) for name in COLUMNS), style="yellow" if row["needs_login"] else None
            )
    return table


def _print_lines(rows: list[dict[str, Any]]) -> None:
    """Print a line for each token, its values separated by tabs, as other programs want them."""
    for row in rows:
        print_values([row["id"], row["error"]] if "error" in row else map(row.get, COLUMNS))


def _now() -> int:
    return int(time.time() * 1000)
