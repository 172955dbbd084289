"""The commands for encryption keys: generate, status, encrypt, rotate, forget."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.options import Json, on_table, open_table
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.storage.maintenance import undecryptable_tokens
from zoho_tokenstore.storage.queries import TokenQueries
from zoho_tokenstore.storage.rotation import READABLE, KeyRotation, RotationReport, count_keys
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["register"]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count the tokens to encrypt; change nothing.")
]

keys = typer.Typer(
    help="Generate, inspect, rotate and forget encryption keys.", no_args_is_help=True
)


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
        listed = opened.database.read(KeyTable(opened.table).read_keys)
        unreadable = _unreadable_ids(opened)
    ids = keyring.ids if keyring else ()
    readable = counted.pop(READABLE, 0)
    known = tuple(dict.fromkeys((*ids, *sorted({*counted, *listed}))))
    if as_json:
        missing = sorted({*counted, *listed} - set(ids))
        used = {key_id: counted[key_id] for key_id in known if counted[key_id]}
        found = {"keys": used, "readable": readable, "missing": missing, "unreadable": unreadable}
        data.print(json.dumps(found))
        return
    for key_id in known:
        data.print(f"{key_id}: {quantity(counted[key_id], 'token')}{_role(key_id, keyring)}")
    data.print(f"unencrypted: {quantity(readable, 'token')}")
    for token_id in unreadable:
        data.print(f"cannot be decrypted: {token_id}")


@keys.command()
@on_table
def encrypt(settings: Settings, *, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Encrypt all unencrypted tokens with the first key; an interrupted run can be repeated.

    Run it when a table that was unencrypted gets keys. Later, an unencrypted token was not
    written by the store: delete it.
    """
    # Set here, because the unencrypted tokens are what is asked for.
    with _rotation_of(settings, dry_run=dry_run, accept_readable=True) as (rotation, on_rows):
        report = rotation.seal_readable(dry_run=dry_run, on_rows=on_rows)
    _report(report, settings.keyring, as_json=as_json)


@keys.command()
@on_table
def rotate(settings: Settings, *, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Encrypt all encrypted tokens with the first key; an interrupted run can be repeated.

    Restart every process that has another first key before: it cannot save any more when that key
    is no longer used.
    """
    with _rotation_of(settings, dry_run=dry_run) as (rotation, on_rows):
        report = rotation.rotate_all(dry_run=dry_run, on_rows=on_rows)
    _report(report, settings.keyring, as_json=as_json)


@keys.command()
@on_table
def forget(
    settings: Settings,
    *,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Forget the key with this id.")],
) -> None:
    """Take a key that encrypts no token out of the table, for example one set by mistake."""
    with open_table(settings) as opened:
        opened.database.write(KeyTable(opened.table).forget_key, key_id)
    messages.print(f"key {key_id} is forgotten")


@contextmanager
def _rotation_of(
    settings: Settings, *, dry_run: bool, accept_readable: bool = False
) -> Iterator[tuple[KeyRotation, Callable[[int], None]]]:
    accepting = replace(settings, accept_readable=accept_readable or settings.accept_readable)
    with open_table(accepting) as opened, progress_bar() as progress:
        if not dry_run and opened.database.write(opened.keys.replace_index_key):
            messages.print("the key table was empty: it has a new index key; restart all processes")
        total = TokenQueries(opened.database, opened.table).count_rows()
        task = progress.add_task("counting" if dry_run else "encrypting", total=total)
        yield KeyRotation(opened), lambda number: progress.advance(task, number)


def _unreadable_ids(opened: TokenTables) -> list[str]:
    if opened.keyring is None:
        return []
    errors = undecryptable_tokens(opened.database, opened.tokens)
    return [token_id for error in errors for token_id in error.token_ids]


def _report(rotation: RotationReport, keyring: Keyring | None, *, as_json: bool) -> None:
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
        if keyring is not None and key_id in keyring.ids:
            messages.print(f"key {key_id} is no longer used: remove it from the keyring")
    if rotation.failed:
        raise typer.Exit(1)


def _role(key_id: str, keyring: Keyring | None) -> str:
    if keyring is None or key_id not in keyring.ids:
        return " (not in the keyring)"
    return " (encrypts)" if key_id == keyring.first.id else ""
