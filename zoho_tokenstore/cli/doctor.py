"""The command ``zoho-tokenstore doctor``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer
from rich.table import Table

from zoho_tokenstore.cli.checks import Finding, run_checks
from zoho_tokenstore.cli.console import data, print_table
from zoho_tokenstore.cli.options import Json, on_table, open_database, tables_of
from zoho_tokenstore.settings import Settings

__all__ = ["register"]

STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


@on_table
def doctor(settings: Settings, *, as_json: Json = False) -> None:
    """Check the SDK, the database, the token table, the encryption and all stored tokens."""
    with open_database(settings, create=False) as database:
        findings = list(run_checks(tables_of(database, settings)))
    if as_json:
        data.print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print_table(_report(findings))
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _report(findings: Sequence[Finding]) -> Table:
    table = Table("check", "verdict", "found")
    for finding in findings:
        table.add_row(finding.check, finding.verdict, finding.found, style=STYLES[finding.verdict])
    return table
