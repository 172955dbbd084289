"""The commands that move tokens in and out: import, export, adopt."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from zoho_tokenstore.cli.console import data, messages, progress_bar
from zoho_tokenstore.cli.options import (
    Json,
    Yes,
    confirm,
    into_table,
    on_table,
    opened,
    opened_table,
    tables_of,
)
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.maintenance import iter_records
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.transfer.adoption import Adoption
from zoho_tokenstore.transfer.dbstore import TableSource
from zoho_tokenstore.transfer.exporter import write_csv, write_json
from zoho_tokenstore.transfer.filestore import FileStoreSource, filestore_lines, is_number
from zoho_tokenstore.transfer.importer import Importer, ImportReport, OnConflict, Source
from zoho_tokenstore.transfer.layouts import FileLayout

__all__ = ["register"]

imports = typer.Typer(help="Import tokens from the SDKs' own stores.", no_args_is_help=True)
exports = typer.Typer(help="Export tokens, readable, to a file of yours.", no_args_is_help=True)

Conflict = Annotated[
    OnConflict,
    typer.Option(
        "--on-conflict", help="Which one wins when a token is stored already; newer by expiry."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]
SourceTable = Annotated[
    str | None,
    typer.Option(
        "--table", help="The table to read; by default the one that looks like the SDK's."
    ),
]
Target = Annotated[Path, typer.Argument(metavar="PATH", help="The file to write.")]


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
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The FileStore's file.")],
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import the tokens of an SDK's FileStore; its file is only read."""
    _import(settings, FileStoreSource(path), on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("dbstore")
@into_table
def import_dbstore(
    settings: Settings,
    *,
    source: Annotated[str, typer.Argument(metavar="URL", help="The DBStore's database.")],
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import the tokens of an SDK's DBStore; its table is only read."""
    table = TableSource(source, source_table)
    _import(settings, table, on_conflict, dry_run=dry_run, as_json=as_json)


@imports.command("sqlite")
@into_table
def import_sqlite(
    settings: Settings,
    *,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The SQLite file.")],
    source_table: SourceTable = None,
    on_conflict: Conflict = "newer",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import the tokens of an SQLite file with a table like the SDK's; it is only read."""
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
        typer.Option("--layout", help="A: zcrmsdk 3; B: zohocrmsdk2-0, 2-1; C: 5-0 and later."),
    ] = "C",
    yes: Yes = False,
) -> None:
    """Export all tokens to a file for an SDK's FileStore."""
    with _exporting(settings, path, yes=yes) as every:
        ids = (token.id for token in every()) if layout == "C" else ()
        highest = max((int(key) for key in ids if key and is_number(key)), default=0)
        write_csv(path, filestore_lines(every(), layout, highest + 1))


@exports.command("json")
@on_table
def export_json(settings: Settings, *, path: Target, yes: Yes = False) -> None:
    """Export all tokens to a JSON file: a list of objects."""
    with _exporting(settings, path, yes=yes) as every:
        write_json(path, every())


@on_table
def adopt(settings: Settings, *, yes: Yes = False, as_json: Json = False) -> None:
    """Take over a table of the SDK's DBStore in place; it is kept under another name."""
    names = settings.token_schema
    confirm(f"the table {names.name} will be renamed to {names.name}_sdk", yes=yes)
    with opened(settings) as database, progress_bar() as progress:
        task = progress.add_task("adopting", total=None)
        report, kept = Adoption(tables_of(database, settings, read_only=False)).run(
            _tell_left_out, lambda size, total: progress.update(task, total=total, advance=size)
        )
    messages.print(f"the SDK's table is kept as {kept}")
    _report(report, as_json=as_json)


def _import(
    settings: Settings, source: Source, on_conflict: OnConflict, *, dry_run: bool, as_json: bool
) -> None:
    with opened_table(settings, read_only=dry_run) as table:
        tokens = table.tokens
        with progress_bar() as progress:
            task = progress.add_task("reading" if dry_run else "importing", total=source.total)
            report = Importer(
                table.database,
                tokens,
                on_conflict=on_conflict,
                dry_run=dry_run,
                on_left_out=_tell_left_out,
                on_progress=lambda size: progress.advance(task, size),
            ).run(source)
    _report(report, as_json=as_json)


@contextmanager
def _exporting(
    settings: Settings, path: Path, *, yes: bool
) -> Iterator[Callable[[], Iterator[TokenRecord]]]:
    """Open the table, and yield what yields all its tokens; tell about those left out."""
    if path.exists():
        confirm(f"{path} will be overwritten", yes=yes)
    unreadable: dict[str, str] = {}
    number = 0
    with opened_table(settings) as table, progress_bar() as progress:
        task = progress.add_task("exporting", total=None)

        def every() -> Iterator[TokenRecord]:
            nonlocal number
            number = 0
            for token in iter_records(table.database, table.tokens, note):
                number += 1
                progress.update(task, completed=number)
                yield token

        def note(error: DecryptionError) -> None:
            unreadable.update(dict.fromkeys(error.token_ids, str(error)))

        yield every
    for why in unreadable.values():
        messages.print(why, style="red")
    messages.print(f"{number} tokens, readable, are in {path}: keep it as safe as they are")
    if unreadable:
        raise typer.Exit(1)


def _tell_left_out(where: str, why: str) -> None:
    messages.print(f"left out: {where}: {why}", style="red")


def _report(report: ImportReport, *, as_json: bool) -> None:
    counts = asdict(report)
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items()))
    if report.left_out:
        raise typer.Exit(1)
