"""The commands that show stored tokens: list and show."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import typer

from zoho_tokenstore.cli.console import data, messages, print_values
from zoho_tokenstore.cli.options import Json, on_table, open_table
from zoho_tokenstore.cli.stats import epoch_now, has_expired
from zoho_tokenstore.cli.tables import print_table, short_ids
from zoho_tokenstore.cli.users import print_other_names
from zoho_tokenstore.errors import DecryptionError, UnknownIdError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.ids import complete_ids
from zoho_tokenstore.storage.maintenance import iter_records, needs_login, refused_logins
from zoho_tokenstore.storage.queries import TokenQueries
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord, mask

__all__ = ["register"]

COLUMNS: Final = ("id", "user_name", "client_id", "refresh_token", "access_token", "expires")
OPTIONAL: Final = ("client id", "refresh token", "access token", "expires")
UNREADABLE: Final = ("id", "user_name", "error")

SortKey = Literal["user", "client", "expiry", "id"]
SORT_FIELDS: Final = {"user": "user_name", "client": "client_id", "expiry": "expiry", "id": "id"}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("list")(list_tokens)
    app.command()(show)


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """The options of ``list`` that select tokens.

    Attributes:
        user: Name of the user, ``None`` for any.
        client: Client id, ``None`` for any.
        expired: Whether the access token must have expired.
        needs_login: Whether the user must log in again.
    """

    user: str | None
    client: str | None
    expired: bool
    needs_login: bool

    def matches(self, token: TokenRecord, now: int, refused: Mapping[str, str]) -> bool:
        """Return whether a token is selected.

        Args:
            token: Stored token.
            now: Current time in epoch milliseconds.
            refused: Result of :func:`~zoho_tokenstore.storage.logins.refused_logins`.
        """
        return (
            self.user in (None, token.user_name)
            and self.client in (None, token.client_id)
            and (not self.expired or has_expired(token, now))
            and (not self.needs_login or needs_login(token, refused))
        )


@on_table
def list_tokens(
    settings: Settings,
    *,
    user: Annotated[
        str | None, typer.Option("--user", help="Only list tokens of this user.")
    ] = None,
    client: Annotated[
        str | None, typer.Option("--client", help="Only list tokens of this client id.")
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only list tokens whose access token has expired.")
    ] = False,
    needs_login: Annotated[
        bool, typer.Option("--needs-login", help="Only list tokens whose user must log in again.")
    ] = False,
    sort: Annotated[
        SortKey, typer.Option("--sort", help="Sort the tokens by this field.")
    ] = "user",
    as_json: Json = False,
) -> None:
    """List the stored tokens with masked secrets, including tokens that cannot be decrypted."""
    chosen = TokenFilter(user, client, expired, needs_login)
    unreadable: list[DecryptionError] = []
    rows = list(_matching_rows(settings, chosen, unreadable))
    key = SORT_FIELDS[sort]
    rows.sort(key=lambda row: (row.get(key) is None, row.get(key), row["id"]))
    rows += [
        {"id": token_id, "user_name": error.user_name, "error": str(error)}
        for error in unreadable
        for token_id in error.token_ids
    ]
    if as_json:
        data.print(json.dumps(rows))
    elif data.is_terminal:
        _print_table(rows)
    else:
        for row in rows:
            print_values(map(row.get, UNREADABLE if "error" in row else COLUMNS))
    if unreadable:
        raise typer.Exit(1)


@on_table
def show(
    settings: Settings,
    *,
    token_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Show the token whose id is, or begins with, this."),
    ],
    as_json: Json = False,
) -> None:
    """Show one stored token with masked secrets."""
    with open_table(settings) as opened:
        (token_id,) = complete_ids(opened.database, opened.table, [token_id])
        found = opened.database.read(opened.tokens.find_row, TokenRecord(id=token_id))
        if found is None:
            raise UnknownIdError(f"unknown token id {token_id!r}")
        refused = refused_logins(opened.database, opened.table, opened.codec)
        times = TokenQueries(opened.database, opened.table).row_times(token_id)
    shown = _masked(found, refused)
    shown |= {name: f"{at:%Y-%m-%d %H:%M:%SZ}" for name, at in times.items()}
    if as_json:
        data.print(json.dumps(shown))
        return
    for name in (*FIELDS, "expires", *times, "needs_login"):
        if name in shown and name != "expiry":
            data.print(f"{name.replace('_', ' ')}: {shown[name]}")


def _matching_rows(
    settings: Settings, chosen: TokenFilter, unreadable: list[DecryptionError]
) -> Iterator[dict[str, Any]]:
    now = epoch_now()
    with open_table(settings) as opened:
        refused = refused_logins(opened.database, opened.table, opened.codec)
        for token in iter_records(opened.database, opened.tokens, unreadable.append):
            if chosen.matches(token, now, refused):
                yield _masked(token, refused)
        if chosen.user is not None:
            print_other_names(TokenQueries(opened.database, opened.table), chosen.user)


def _masked(record: TokenRecord, refused: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a token with masked secrets."""
    shown: dict[str, Any] = {
        name: mask(str(value)) if name in SECRET_FIELDS else value
        for name, value in record.known().items()
    }
    if record.expiry is not None:
        moment = time.gmtime(record.expiry / 1000)
        shown["expires"] = time.strftime("%Y-%m-%d %H:%M:%SZ", moment)
    return shown | {"needs_login": needs_login(record, refused)}


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of the tokens, followed by the errors, which are too long for it."""
    ids = short_ids([row["id"] for row in rows])
    print_table(
        [name.replace("_", " ") for name in COLUMNS],
        [[ids[row["id"]], *map(row.get, COLUMNS[1:])] for row in rows],
        optional=OPTIONAL,
        styles=list(map(_style_of, rows)),
    )
    for row in rows:
        if "error" in row:
            messages.print(row["error"], "red")


def _style_of(row: Mapping[str, Any]) -> str | None:
    if "error" in row:
        return "red"
    return "yellow" if row["needs_login"] else None
