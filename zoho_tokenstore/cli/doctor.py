"""The command ``zoho-tokenstore doctor``."""

import json
from dataclasses import asdict
from typing import Final

import typer

from zoho_tokenstore.cli.checks import run_checks
from zoho_tokenstore.cli.console import data, print_values
from zoho_tokenstore.cli.options import Json, on_table, open_database, tables_of
from zoho_tokenstore.cli.tables import print_table
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
    elif data.is_terminal:
        rows = [(finding.check, finding.verdict, finding.found) for finding in findings]
        styles = [STYLES[finding.verdict] for finding in findings]
        print_table(("check", "verdict", "found"), rows, styles=styles)
    else:
        for finding in findings:
            print_values((finding.check, finding.verdict, finding.found))
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)
