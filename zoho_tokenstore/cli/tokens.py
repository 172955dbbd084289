"""The commands about stored tokens."""

import json
import time
from typing import Any

import typer
from rich.table import Table

from zoho_tokenstore.cli.console import data
from zoho_tokenstore.cli.options import Json, KeysFile, SchemaName, TableName, Url, opened_table
from zoho_tokenstore.config import Settings
from zoho_tokenstore.keys import open_vault
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.scan import every_token
from zoho_tokenstore.token import SECRET_FIELDS, TokenRecord, mask

__all__ = ["register"]

COLUMNS = ("id", "user_name", "client_id", "refresh_token", "access_token", "expires")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("list")(list_tokens)


def list_tokens(
    *,
    url: Url = None,
    table: TableName = None,
    schema: SchemaName = None,
    keys_file: KeysFile = None,
    as_json: Json = False,
) -> None:
    """List the stored tokens, secrets masked, and those that cannot be read."""
    said = {"url": url, "table": table, "schema": schema, "keys_file": keys_file}
    settings = Settings.from_env(overrides=said)
    unreadable: dict[str, str] = {}
    with opened_table(settings) as database:
        tokens = settings.token_schema.table
        vault = open_vault(database, tokens, settings.keyring, to_write=False)
        repository = TokenRepository(tokens, database.url.get_backend_name(), vault)
        records = every_token(
            database,
            repository,
            lambda error: unreadable.update(dict.fromkeys(error.token_ids, str(error))),
        )
        rows = [_shown(record) for record in records]
    rows += [{"id": token_id, "error": error} for token_id, error in unreadable.items()]
    if as_json:
        data.print(json.dumps(rows))
    else:
        data.print(_table(rows))
    if unreadable:
        raise typer.Exit(1)


def _shown(record: TokenRecord) -> dict[str, Any]:
    """Return what may be seen of a token."""
    return {
        name: mask(str(value)) if name in SECRET_FIELDS else value
        for name, value in record.known().items()
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*(name.replace("_", " ") for name in COLUMNS))
    for row in rows:
        if "error" in row:
            table.add_row(row["id"], row["error"], style="red")
            continue
        expiry = row.get("expiry")
        seconds = None if expiry is None else time.gmtime(expiry / 1000)
        shown = row | {"expires": seconds and time.strftime("%Y-%m-%d %H:%M:%SZ", seconds)}
        table.add_row(*(shown.get(name) for name in COLUMNS))
    return table
