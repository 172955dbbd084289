"""What the commands have in common: how a database is named, and how it is opened."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Annotated, Concatenate, Final, ParamSpec, cast

import typer

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.tables import TokenTables

__all__ = [
    "Json",
    "SchemaName",
    "TableName",
    "Url",
    "Yes",
    "confirm",
    "into_table",
    "on_table",
    "opened",
    "opened_table",
    "span",
    "tables_of",
]

P = ParamSpec("P")

Url = Annotated[
    str | None,
    typer.Option(help="Database URL; without it ZOHO_TOKENSTORE_URL decides.", show_default=False),
]
TableName = Annotated[
    str | None,
    typer.Option("--table", help="Table name; else ZOHO_TOKENSTORE_TABLE, else oauthtoken."),
]
IntoTableName = Annotated[
    str | None,
    typer.Option("--into-table", help="Table name; else ZOHO_TOKENSTORE_TABLE, else oauthtoken."),
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
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

LONGEST: Final = timedelta(days=365_000)
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def on_table(command: Callable[Concatenate[Settings, P], None]) -> Callable[..., None]:
    """Give a command the options that name a token table, and pass it the settings they make."""
    return _with_settings(command, TableName)


def into_table(command: Callable[Concatenate[Settings, P], None]) -> Callable[..., None]:
    """Do the same for a command whose ``--table`` is that of its source."""
    return _with_settings(command, IntoTableName)


def _with_settings(
    command: Callable[Concatenate[Settings, P], None], table: object
) -> Callable[..., None]:
    options = {"url": Url, "table": table, "schema": SchemaName, "keys_file": KeysFile}

    @wraps(command)
    def run(*given: P.args, **named: P.kwargs) -> None:
        said = {name: cast("str | None", named.pop(name)) for name in options}
        command(Settings.from_env(overrides=said), *given, **named)

    own = list(inspect.signature(command).parameters.values())[1:]
    common = (
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in options.items()
    )
    # What Typer goes by.
    vars(run)["__signature__"] = inspect.Signature([*own, *common])
    return run


def span(text: str | None, option: str) -> timedelta | None:
    """Return the time that an option names, such as ``30d``.

    Raises:
        ConfigurationError: It is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None or not int(found[1]):
        raise ConfigurationError(
            f"{option} must be a number and a unit, such as 30d: s, m, h, d or w, not {text!r}"
        )
    long = timedelta(**{UNITS[found[2]]: int(found[1])})
    if long > LONGEST:
        raise ConfigurationError(f"{option} must be shorter than a thousand years, not {text!r}")
    return long


def confirm(what: str, *, yes: bool) -> None:
    """Ask before something is destroyed.

    Raises:
        ConfigurationError: There is nobody to ask.
        Abort: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{what}: say so with --yes")
    typer.confirm(f"{what}. Go on?", abort=True, err=True)


@contextmanager
def opened(settings: Settings, *, create: bool = True) -> Iterator[Database]:
    """Open the database, and close it at the end; a missing file may be created or not."""
    database = Database(settings.url, create=create)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_table(settings: Settings, *, read_only: bool = True) -> Iterator[TokenTables]:
    """Open the database, which must have the table as this release makes it.

    Raises:
        SchemaError: It has not; the error names the command that helps.
    """
    with opened(settings, create=False) as database:
        database.read(
            lambda session: settings.token_schema.ready(session.connection(), create=False)
        )
        yield tables_of(database, settings, read_only=read_only)


def tables_of(database: Database, settings: Settings, *, read_only: bool = True) -> TokenTables:
    """Return the tables that the settings name."""
    return TokenTables(
        database,
        settings.token_schema,
        settings.keyring,
        audits=settings.audit,
        read_only=read_only,
    )
