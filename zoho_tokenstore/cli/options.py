"""Options shared by the commands, and the database and table that they name."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Concatenate, ParamSpec, cast

import typer

from zoho_tokenstore.cli.console import ask
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.settings import Settings, check_utf8
from zoho_tokenstore.storage.tables import TokenTables

__all__ = [
    "AccountsUrl",
    "Json",
    "SchemaName",
    "TableName",
    "Url",
    "Yes",
    "confirm",
    "into_table",
    "on_schema",
    "on_table",
    "open_database",
    "open_table",
    "tables_of",
]

P = ParamSpec("P")

Url = Annotated[
    str | None,
    typer.Option(
        help="Use the database at this URL instead of ZOHO_TOKENSTORE_URL.", show_default=False
    ),
]
TableName = Annotated[
    str | None,
    typer.Option(
        "--table",
        help="Use the token table with this name instead of ZOHO_TOKENSTORE_TABLE or 'oauthtoken'.",
    ),
]
IntoTableName = Annotated[
    str | None,
    typer.Option(
        "--into-table",
        help="Import into the token table with this name instead of ZOHO_TOKENSTORE_TABLE or "
        "'oauthtoken'.",
    ),
]
SchemaName = Annotated[
    str | None,
    typer.Option(
        "--schema",
        help="Use the token table in this database schema instead of ZOHO_TOKENSTORE_SCHEMA.",
    ),
]
KeysFile = Annotated[
    str | None,
    typer.Option(
        "--keys-file",
        help="Read the encryption keys from this file instead of ZOHO_TOKENSTORE_KEYS or "
        "ZOHO_TOKENSTORE_KEYS_FILE.",
    ),
]
AccountsUrl = Annotated[
    str | None,
    typer.Option(
        "--accounts-url",
        help="Send requests to this token endpoint of Zoho instead of that of each token's data "
        "center.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation prompt.")]


def on_table(command: Callable[Concatenate[Settings, P], None]) -> Callable[..., None]:
    """Add the options that name a token table to a command, and pass it their settings."""
    return _with_settings(command, TableName)


def into_table(command: Callable[Concatenate[Settings, P], None]) -> Callable[..., None]:
    """Do the same as :func:`on_table` for an import whose ``--table`` is its source."""
    return _with_settings(command, IntoTableName)


def on_schema(command: Callable[Concatenate[Settings, P], None]) -> Callable[..., None]:
    """Do the same as :func:`on_table` for a command that reads no token and needs no keys."""
    return _with_settings(command, TableName, reads_keys=False)


def _with_settings(
    command: Callable[Concatenate[Settings, P], None], table: object, *, reads_keys: bool = True
) -> Callable[..., None]:
    options = {"url": Url, "table": table, "schema": SchemaName}
    if reads_keys:
        options["keys_file"] = KeysFile

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        context = cast("typer.Context", kwargs.pop("context"))
        for name, value in kwargs.items():
            for text in value if isinstance(value, list) else [value]:
                check_utf8(f"argument {name.replace('_', ' ')!r}", text)
        overrides = {name: cast("str | None", kwargs.pop(name)) for name in options}
        overrides["url"] = overrides["url"] or context.obj  # given before the command
        settings = Settings.from_env(overrides=overrides, reads_keys=reads_keys)
        command(settings, *args, **kwargs)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(command).parameters.values())[1:]
    common = (
        inspect.Parameter(name, keyword, default=None, annotation=option)
        for name, option in options.items()
    )
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    # Typer reads the options from the signature.
    vars(run)["__signature__"] = inspect.Signature([*own, *common, context])
    return run


def confirm(consequence: str, *, yes: bool) -> None:
    """Ask for confirmation before data is changed.

    Args:
        consequence: Clause such as ``2 tokens would be deleted``.
        yes: Whether the operator has confirmed with ``--yes``.

    Raises:
        ConfigurationError: Stdin is not a terminal.
        Abort: The operator declines.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{consequence}; pass --yes to confirm")
    ask(f"{consequence}. Continue?")


@contextmanager
def open_database(settings: Settings, *, create: bool = True) -> Iterator[Database]:
    """Open the database for a block.

    Args:
        settings: Settings of the command.
        create: Whether a missing SQLite file may be created.
    """
    # An operator runs the command again; twenty seconds of silence look like a hanging server.
    database = Database(settings.url, create=create, waits_for_primary=False)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def open_table(settings: Settings, *, create: bool = False) -> Iterator[TokenTables]:
    """Open a token table of this release for a block.

    Args:
        settings: Settings of the command.
        create: Whether an empty database is set up.

    Raises:
        SchemaError: The table is missing or of another release; the message names the command to
            run.
    """
    with open_database(settings, create=create) as database:
        schema = settings.token_schema
        if create:
            migrations.set_up(database, schema)
        database.read(lambda session: schema.ready(session.connection(), create=False))
        yield tables_of(database, settings)


def tables_of(database: Database, settings: Settings) -> TokenTables:
    """Return the tables that the settings name, which may not exist yet."""
    return TokenTables(
        database,
        settings.token_schema,
        settings.keyring,
        audits=settings.audit,
        accept_readable=settings.accept_readable,
    )
