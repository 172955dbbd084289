"""The commands for encryption keys: generate, status, rotate."""

import json
from typing import Annotated

import typer

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.options import Json, on_table, open_table
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.settings import PREFIX, Settings
from zoho_tokenstore.storage.keys import open_encrypted_codec
from zoho_tokenstore.storage.queries import TokenQueries
from zoho_tokenstore.storage.rotation import READABLE, KeyRotation, RotationReport, count_keys

__all__ = ["register"]

keys = typer.Typer(help="Generate, inspect and rotate encryption keys.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(keys, name="keys")


@keys.command()
def generate() -> None:
    """Print a new encryption key, to be stored in a secrets manager or a private file."""
    data.print(Keyring.generate_key())


@keys.command()
@on_table
def status(settings: Settings, *, as_json: Json = False) -> None:
    """Count the stored tokens by encryption key."""
    keyring = settings.keyring
    with open_table(settings) as opened:
        counted = count_keys(opened.database, opened.table)
    ids = keyring.ids if keyring else ()
    readable = counted.pop(READABLE, 0)
    if as_json:
        missing = sorted(set(counted) - set(ids))
        data.print(json.dumps({"keys": dict(counted), "readable": readable, "missing": missing}))
        return
    for key_id in dict.fromkeys((*ids, *sorted(counted))):
        data.print(f"{key_id}: {quantity(counted[key_id], 'token')}{_role(key_id, keyring)}")
    data.print(f"unencrypted: {quantity(readable, 'token')}")


@keys.command()
@on_table
def rotate(
    settings: Settings,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the tokens to encrypt; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Encrypt all stored tokens with the first key; an interrupted run can be repeated."""
    if settings.keyring is None:
        raise ConfigurationError(
            "encryption keys missing: create one with 'zoho-tokenstore keys generate' and set "
            f"{PREFIX}KEYS"
        )
    with open_table(settings) as opened, progress_bar() as progress:
        database, table = opened.database, opened.table
        codec = open_encrypted_codec(
            database, table, settings.keyring, all_keys=False, to_write=not dry_run
        )
        total = TokenQueries(database, table).count_rows()
        task = progress.add_task("counting" if dry_run else "encrypting", total=total)
        rotation = KeyRotation(database, table, codec, opened.audit).rotate_all(
            dry_run=dry_run, on_rows=lambda number: progress.advance(task, number)
        )
    _report(rotation, settings.keyring, as_json=as_json)
    if rotation.failed:
        raise typer.Exit(1)


def _report(rotation: RotationReport, keyring: Keyring, *, as_json: bool) -> None:
    counts = {
        "rotated": rotation.rotated,
        "current": rotation.current,
        "failed": len(rotation.failed),
    }
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name}: {number}" for name, number in counts.items()))
    for error in rotation.failed:
        messages.print(str(error), style="red")
    for key_id in rotation.forgotten:
        if key_id in keyring.ids:
            messages.print(f"key {key_id} is no longer used: remove it from the keyring")


def _role(key_id: str, keyring: Keyring | None) -> str:
    if keyring is None or key_id not in keyring.ids:
        return " (not in the keyring)"
    return " (encrypts)" if key_id == keyring.first.id else ""
