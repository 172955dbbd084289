"""The commands that transfer tokens: import, export, adopt."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer
from sqlalchemy import URL

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.options import (
    Json,
    Yes,
    confirm,
    into_table,
    on_table,
    open_database,
    open_table,
    tables_of,
)
from zoho_tokenstore.errors import ConfigurationError, DecryptionError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.maintenance import iter_records
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.transfer.adoption import Adoption
from zoho_tokenstore.transfer.dbstore import TableSource
from zoho_tokenstore.transfer.exporter import open_target, write_csv, write_json
from zoho_tokenstore.transfer.filestore import FileStoreSource, filestore_lines, is_numeric_id
from zoho_tokenstore.transfer.importer import Importer, ImportReport, OnConflict, Source
from zoho_tokenstore.transfer.layouts import FileLayout

__all__ = ["register"]

imports = typer.Typer(help="Import tokens from an SDK's own store.", no_args_is_help=True)
exports = typer.Typer(help="Export all tokens unencrypted to a file.", no_args_is_help=True)

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
        help="Import the table with this name instead of the only one with the SDK's columns.",
    ),
]
Target = Annotated[Path, typer.Argument(metavar="PATH", help="Export to this file; - is stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(imports, name="import")
    app.add_typer(exports, name="export")
    app.command()(adopt)


@imports.command("filestore")
@on_table
def import_filestore(
    settings: Settings,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Import this FileStore file.")],
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from the file of an SDK's FileStore, which is not changed."""
    _import(settings, FileStoreSource(path), on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("dbstore")
@into_table
def import_dbstore(
    settings: Settings,
    *,
    source: Annotated[
        str, typer.Argument(metavar="URL", help="Import from the database at this URL.")
    ],
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from the table of an SDK's DBStore, which is not changed."""
    table = TableSource(source, source_table)
    _import(settings, table, on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("sqlite")
@into_table
def import_sqlite(
    settings: Settings,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Import from this SQLite file.")],
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import tokens from an SQLite file with the SDK's columns, which is not changed."""
    table = TableSource(URL.create("sqlite", database=str(path)), source_table)
    _import(settings, table, on_conflict, dry_run=dry_run, as_json=as_json)


@exports.command("filestore")
@on_table
def export_filestore(
    settings: Settings,
    *,
    path: Target,
    layout: Annotated[
        FileLayout,
        typer.Option(
            "--layout",
            help="Write the columns of zcrmsdk 3 (A), of zohocrmsdk2-0 and 2-1 (B) or of "
            "zohocrmsdk5-0 and later (C).",
        ),
    ] = "C",
    yes: Yes = False,
) -> None:
    """Export all tokens unencrypted to a file for an SDK's FileStore."""
    with _exported_tokens(settings, path, yes=yes) as (file, read_tokens):
        ids = (token.id for token in read_tokens()) if layout == "C" else ()
        highest = max((int(key) for key in ids if key and is_numeric_id(key)), default=0)
        write_csv(file, filestore_lines(read_tokens(), layout, highest + 1))


@exports.command("json")
@on_table
def export_json(settings: Settings, *, path: Target, yes: Yes = False) -> None:
    """Export all tokens unencrypted to a JSON file with a list of objects."""
    with _exported_tokens(settings, path, yes=yes) as (file, read_tokens):
        write_json(file, read_tokens())


@on_table
def adopt(settings: Settings, *, yes: Yes = False, as_json: Json = False) -> None:
    """Convert the table of an SDK's DBStore in place and keep the original under another name."""
    schema = settings.token_schema
    confirm(f"table {schema.name!r} would be renamed to '{schema.name}_sdk'", yes=yes)
    with open_database(settings, create=False) as database, progress_bar() as progress:
        task = progress.add_task("importing", total=None)
        tables = tables_of(database, settings)
        report, original = Adoption(tables).adopt_table(
            _print_left_out, lambda size, total: progress.update(task, total=total, advance=size)
        )
    messages.print(f"the SDK's table is now named {original!r}")
    _print_report(report, as_json=as_json)


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
            on_left_out=_print_left_out,
            on_progress=lambda size: progress.advance(task, size),
        ).import_source(source)
    _print_report(report, as_json=as_json)


@contextmanager
def _exported_tokens(
    settings: Settings, path: Path, *, yes: bool
) -> Iterator[tuple[TextIO, Callable[[], Iterator[TokenRecord]]]]:
    """Yield the target, and a function that reads all tokens; report the unreadable ones."""
    to_stdout = str(path) == "-" or data.is_same_file(path)
    if path.is_file() and not to_stdout:
        confirm(f"{path} would be overwritten", yes=yes)
    unreadable: dict[str, str] = {}
    number = 0
    with open_table(settings) as opened, progress_bar() as progress:
        task = progress.add_task("exporting", total=None)

        def add_unreadable(error: DecryptionError) -> None:
            unreadable.update(dict.fromkeys(error.token_ids, str(error)))

        def read_tokens() -> Iterator[TokenRecord]:
            nonlocal number
            number = 0
            for token in iter_records(opened.database, opened.tokens, add_unreadable):
                number += 1
                progress.update(task, completed=number)
                yield token

        with data.open_stream() if to_stdout else open_target(path) as file:
            if file.isatty():
                raise ConfigurationError(
                    f"{path} is a terminal, which would show all tokens unencrypted: redirect "
                    "stdout, or pass the path of a file"
                )
            yield file, read_tokens
    for reason in unreadable.values():
        messages.print(f"left out: {reason}", style="red")
    target = "stdout" if to_stdout else path
    messages.print(f"{quantity(number, 'token')} exported unencrypted to {target}: keep it secret")
    if unreadable:
        raise typer.Exit(1)


def _print_left_out(place: str, reason: str) -> None:
    messages.print(f"left out: {place}: {reason}", style="red")


def _print_report(report: ImportReport, *, as_json: bool) -> None:
    for notice, rows in report.notices.items():
        messages.print(f"{quantity(rows, 'row')}: {notice}")
    counts = report.counts
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items()))
    if report.left_out:
        raise typer.Exit(1)
