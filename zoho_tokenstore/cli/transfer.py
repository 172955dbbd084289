"""The commands export and adopt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.imports import print_left_out, print_report, with_columns
from zoho_tokenstore.cli.options import (
    Json,
    Yes,
    confirm,
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
from zoho_tokenstore.transfer.columns import ColumnOptions
from zoho_tokenstore.transfer.exporter import open_target, write_csv, write_json
from zoho_tokenstore.transfer.filestore import filestore_lines, is_numeric_id
from zoho_tokenstore.transfer.layouts import FileLayout

__all__ = ["register"]

exports = typer.Typer(help="Export all tokens unencrypted to a file.", no_args_is_help=True)

Target = Annotated[Path, typer.Argument(metavar="PATH", help="Export to this file; - is stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(exports, name="export")
    app.command()(adopt)


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
@with_columns
def adopt(
    settings: Settings, columns: ColumnOptions, *, yes: Yes = False, as_json: Json = False
) -> None:
    """Convert the table of an SDK's DBStore in place and keep the original under another name."""
    schema = settings.token_schema
    confirm(f"table {schema.name!r} would be renamed to '{schema.name}_sdk'", yes=yes)
    with open_database(settings, create=False) as database, progress_bar() as progress:
        task = progress.add_task("importing", total=None)
        tables = tables_of(database, settings)
        report, source = Adoption(tables, columns).adopt_table(
            print_left_out, lambda size, total: progress.update(task, total=total, advance=size)
        )
    messages.print(f"the SDK's table is now named {source.name!r}")
    print_report(report, source.unread, as_json=as_json)


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
