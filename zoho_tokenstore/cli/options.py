"""What the commands have in common: how a database is named, and how it is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from zoho_tokenstore.config import Settings
from zoho_tokenstore.database import Database

__all__ = ["Json", "KeysFile", "SchemaName", "TableName", "Url", "opened", "opened_table"]

Url = Annotated[
    str | None,
    typer.Option(help="Database URL; without it ZOHO_TOKENSTORE_URL decides.", show_default=False),
]
TableName = Annotated[
    str | None,
    typer.Option("--table", help="Table name; else ZOHO_TOKENSTORE_TABLE, else oauthtoken."),
]
SchemaName = Annotated[
    str | None,
    typer.Option("--schema", help="Schema that the table lies in; else ZOHO_TOKENSTORE_SCHEMA."),
]
KeysFile = Annotated[
    str | None,
    typer.Option(
        "--keys-file",
        help="File with encryption keys; else ZOHO_TOKENSTORE_KEYS or _KEYS_FILE.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Open the database, and close it at the end."""
    database = Database(settings.url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_table(settings: Settings) -> Iterator[Database]:
    """Open the database, which must have the table as this release makes it.

    Raises:
        SchemaError: It has not; the error names the command that helps.
    """
    with opened(settings) as database:
        database.autocommit(
            lambda session: settings.token_schema.ready(session.connection(), create=False)
        )
        yield database
