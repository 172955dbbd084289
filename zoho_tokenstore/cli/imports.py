"""The commands that import tokens, and the options and the report that adopt shares."""

import inspect
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer
from sqlalchemy import URL

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.options import Json, into_table, on_table, open_table
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.settings import PREFIX, Settings
from zoho_tokenstore.transfer.columns import ColumnOptions
from zoho_tokenstore.transfer.dbstore import TableSource
from zoho_tokenstore.transfer.filestore import FileStoreSource
from zoho_tokenstore.transfer.importer import Importer, ImportReport, OnConflict, Source
from zoho_tokenstore.transfer.jsonfile import JSONSource

__all__ = ["print_left_out", "print_report", "register", "with_columns"]

P = ParamSpec("P")

SOURCE_URL: Final = f"{PREFIX}SOURCE_URL"
CLIENT_SECRET: Final = f"{PREFIX}SOURCE_CLIENT_SECRET"

imports = typer.Typer(help="Import tokens from another store.", no_args_is_help=True)

Conflict = Annotated[
    OnConflict,
    typer.Option(
        "--on-conflict",
        help="For a token that already exists, use the one that expires later (newer), the stored "
        "one (skip) or the imported one (replace), or import nothing (fail).",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count what would be imported; change nothing.")
]
SourceTable = Annotated[
    str | None,
    typer.Option(
        "--table",
        help="Import the table or view with this name instead of the only one with the SDK's "
        "columns.",
    ),
]
COLUMN_OPTIONS: Final[dict[str, tuple[Any, Any]]] = {
    "columns": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--columns",
                metavar="NAME=COLUMN",
                help="Read this field from this column of the source, for example "
                "user_name=owner; repeat the option for more fields.",
            ),
        ],
        None,
    ),
    "without_users": (
        Annotated[
            bool,
            typer.Option(
                "--without-users",
                help="Import tokens without users if the source has no column for them.",
            ),
        ],
        False,
    ),
    "client_id": (
        Annotated[
            str | None,
            typer.Option("--client-id", help="Use this client id for tokens without one."),
        ],
        None,
    ),
    "client_secret": (
        Annotated[
            str | None,
            typer.Option(
                "--client-secret",
                envvar=CLIENT_SECRET,
                help="Use this client secret for tokens of this client without one; set "
                f"{CLIENT_SECRET} instead to hide it from other users of the machine.",
            ),
        ],
        None,
    ),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(imports, name="import")


def with_columns(
    command: Callable[Concatenate[Settings, ColumnOptions, P], None],
) -> Callable[..., None]:
    """Add the options about the columns of a source to a command, and pass it their values."""

    @wraps(command)
    def run(settings: Settings, *args: P.args, **kwargs: P.kwargs) -> None:
        values: dict[str, Any] = {name: kwargs.pop(name) for name in COLUMN_OPTIONS}
        columns = ColumnOptions.parse(values.pop("columns") or (), **values)
        command(settings, columns, *args, **kwargs)

    first, _, *own = inspect.signature(command).parameters.values()
    added = (
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in COLUMN_OPTIONS.items()
    )
    # Typer reads the options from the signature.
    vars(run)["__signature__"] = inspect.Signature([first, *own, *added])
    return run


@imports.command("filestore")
@on_table
@with_columns
def import_filestore(
    settings: Settings,
    columns: ColumnOptions,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Import this FileStore file.")],
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from the file of an SDK's FileStore, which is not changed."""
    source = FileStoreSource(path, columns)
    _import(settings, source, on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("dbstore")
@into_table
@with_columns
def import_dbstore(
    settings: Settings,
    columns: ColumnOptions,
    *,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]",
            envvar=SOURCE_URL,
            help=f"Import from the database at this URL; set {SOURCE_URL} instead to hide its "
            "password from other users of the machine.",
        ),
    ] = None,
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from the table of an SDK's DBStore, which is not changed."""
    table = TableSource(source or _ask_for_url(), source_table, options=columns)
    _import(settings, table, on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("sqlite")
@into_table
@with_columns
def import_sqlite(
    settings: Settings,
    columns: ColumnOptions,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Import from this SQLite file.")],
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from an SQLite file with the SDK's columns, which is not changed."""
    url = URL.create("sqlite", database=str(path))
    table = TableSource(url, source_table, options=columns)
    _import(settings, table, on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("json")
@on_table
@with_columns
def import_json(
    settings: Settings,
    columns: ColumnOptions,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Import this JSON file.")],
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from a file with a list or lines of JSON objects, which is not changed."""
    source = JSONSource(path, columns)
    _import(settings, source, on_conflict, dry_run=dry_run, as_json=as_json)


def _ask_for_url() -> str:
    """Return the URL of the source, which is not shown while it is typed.

    Raises:
        ConfigurationError: Stdin is not a terminal.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError(f"source URL missing: set {SOURCE_URL} or pass the URL")
    url: str = typer.prompt("URL of the source", hide_input=True, err=True)
    return url


def _import(
    settings: Settings, source: Source, on_conflict: OnConflict, *, dry_run: bool, as_json: bool
) -> None:
    total = source.total  # a source that cannot be read leaves the target alone
    with open_table(settings, create=not dry_run) as opened, progress_bar() as progress:
        task = progress.add_task("reading" if dry_run else "importing", total=total)
        report = Importer(
            opened.database,
            opened.tokens,
            on_conflict=on_conflict,
            dry_run=dry_run,
            on_left_out=print_left_out,
            on_progress=lambda size: progress.advance(task, size),
        ).import_source(source)
    print_report(report, source.unread, as_json=as_json)


def print_left_out(place: str, reason: str) -> None:
    """Print why a row is not imported."""
    messages.print(f"left out: {place}: {reason}", style="red")


def print_report(report: ImportReport, unread: list[str], *, as_json: bool) -> None:
    """Print the number of rows by outcome, and what was converted or not read.

    Raises:
        Exit: Rows were left out.
    """
    if unread:
        noun = "column" if len(unread) == 1 else "columns"
        messages.print(f"not read: {noun} {', '.join(unread)}")
    for notice, rows in report.notices.items():
        messages.print(f"{quantity(rows, 'row')}: {notice}")
    counts = report.counts
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items()))
    if report.left_out:
        raise typer.Exit(1)
