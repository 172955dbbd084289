"""``zoho-tokenstore doctor``: is everything as it should be, and what to do where it is not."""

import json
import stat
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import typer
from rich.table import Table
from sqlalchemy import select

from zoho_tokenstore import migrate, sqlite
from zoho_tokenstore.claims import credential_of
from zoho_tokenstore.cli.console import data
from zoho_tokenstore.cli.options import Json, KeysFile, SchemaName, TableName, Url, opened
from zoho_tokenstore.clock import epoch_milliseconds
from zoho_tokenstore.config import Settings
from zoho_tokenstore.database import Database
from zoho_tokenstore.digests import digest
from zoho_tokenstore.errors import DecryptionError, MissingSDKError, TokenStoreError
from zoho_tokenstore.keys import open_vault
from zoho_tokenstore.lease import PERMANENT
from zoho_tokenstore.models import lease_table
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.rotation import READABLE, count_keys
from zoho_tokenstore.scan import every_token
from zoho_tokenstore.schema import HEAD
from zoho_tokenstore.sdk import load
from zoho_tokenstore.skew import TOLERANCE

__all__ = ["register"]

Verdict = Literal["good", "warning", "bad"]

STYLES: Final = {"good": "green", "warning": "yellow", "bad": "red"}

NAMED: Final = 5
"""Ids that a finding names at most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and how it is.

    Attributes:
        check: What.
        verdict: ``"bad"`` when something does not work, ``"warning"`` when it could be better.
        found: How it is, and what to do.
    """

    check: str
    verdict: Verdict
    found: str


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


def doctor(
    *,
    url: Url = None,
    table: TableName = None,
    schema: SchemaName = None,
    keys_file: KeysFile = None,
    as_json: Json = False,
) -> None:
    """Look at the SDK, the database, the table, the encryption and every stored token."""
    said = {"url": url, "table": table, "schema": schema, "keys_file": keys_file}
    settings = Settings.from_env(overrides=said)
    with opened(settings) as database:
        findings = list(_examine(database, settings))
    if as_json:
        data.print(json.dumps([asdict(finding) for finding in findings]))
    else:
        data.print(_report(findings))
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)


def _examine(database: Database, settings: Settings) -> Iterator[Finding]:
    """Yield what the checks find, up to the first that makes the others impossible."""
    for name, check in CHECKS.items():
        try:
            found = check(database, settings)
        except TokenStoreError as error:
            yield Finding(name, "bad", str(error))
            return
        if found is not None:
            yield Finding(name, *found)


Found = tuple[Verdict, str]


def _sdk(_database: Database, _settings: Settings) -> Found:
    found = []
    for package in ("zcrmsdk", "zohocrmsdk"):
        try:
            found.append(f"{package} (contract {load(package).contract})")
        except MissingSDKError:
            continue
    if not found:
        return "warning", "no Zoho CRM SDK is installed here: install it where the store is used"
    return "good", " and ".join(found)


def _database(database: Database, _settings: Settings) -> Found:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        database.autocommit(lambda session: session.scalar(select(1)))
    if caught:
        return "warning", str(caught[0].message)
    return "good", str(database)


def _file(database: Database, _settings: Settings) -> Found | None:
    on_sqlite = database.url.get_backend_name() == "sqlite"
    path = sqlite.file_of(database.url) if on_sqlite else None
    if path is None:
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return "warning", f"others can read it: run 'chmod 600 {path}'"
    return "good", f"mode {mode:04o}"


def _table(database: Database, settings: Settings) -> Found:
    names = settings.token_schema
    database.autocommit(lambda session: names.ready(session.connection(), create=False))
    migrate.check(database, names)
    return "good", f"{names.name}, revision {HEAD} (head)"


def _keys(database: Database, settings: Settings) -> Found:
    open_vault(database, settings.token_schema.table, settings.keyring, to_write=False)
    counted = count_keys(database, settings.token_schema.table)
    readable = counted.pop(READABLE, 0)
    if settings.keyring is None:
        return "warning", (
            f"secrets are stored readable ({readable} tokens): make a key with "
            "'zoho-tokenstore keys generate'"
        )
    old = [key_id for key_id in counted if key_id != settings.keyring.first.id]
    if readable or old:
        return "warning", (
            f"{readable} tokens are readable, {sum(counted[key_id] for key_id in old)} encrypted "
            "with older keys: run 'zoho-tokenstore keys rotate'"
        )
    return "good", f"all encrypted with {settings.keyring.first.id}"


def _tokens(database: Database, settings: Settings) -> Found:
    tokens = settings.token_schema.table
    vault = open_vault(database, tokens, settings.keyring, to_write=False)
    repository = TokenRepository(tokens, database.url.get_backend_name(), vault)
    refused = _refused_logins(database, settings)
    unreadable: list[DecryptionError] = []
    stored, waiting = 0, []
    for token in every_token(database, repository, unreadable.append):
        stored += 1
        if refused.get(digest("id", token.id or "")) == credential_of(token, vault.digest):
            waiting.append(token.id or "")
    if unreadable:
        ids = [token_id for error in unreadable for token_id in error.token_ids]
        return "bad", f"{len(ids)} cannot be read ({_some(ids)}): {unreadable[0]}"
    if waiting:
        return "warning", (
            f"{stored} stored, {len(waiting)} refused by Zoho ({_some(waiting)}): log these users "
            "in again"
        )
    return "good", f"{stored} stored"


def _refused_logins(database: Database, settings: Settings) -> dict[str, str]:
    """Return what Zoho has refused for good, by the key of the lease."""
    leases = lease_table(settings.token_schema.table)
    query = select(leases.c.key_digest, leases.c.credential).where(
        leases.c.failure.in_(sorted(PERMANENT))
    )
    rows = database.autocommit(lambda session: session.execute(query).all())
    return {row.key_digest: row.credential for row in rows}


def _clock(database: Database, _settings: Settings) -> Found:
    there = database.autocommit(lambda session: session.scalar(select(epoch_milliseconds())))
    seconds = time.time() - (there or 0) / 1000
    if abs(seconds) * 1000 > TOLERANCE:
        return "warning", (
            f"this host's clock is {seconds:+.0f} s from the database's; the store takes that into "
            "account, the SDK's log does not"
        )
    return "good", f"{seconds:+.1f} s from the database's"


CHECKS: Final[dict[str, Callable[[Database, Settings], Found | None]]] = {
    "SDK": _sdk,
    "database": _database,
    "file": _file,
    "table": _table,
    "encryption": _keys,
    "tokens": _tokens,
    "clock": _clock,
}


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")


def _report(findings: Sequence[Finding]) -> Table:
    table = Table("check", "verdict", "found")
    for finding in findings:
        table.add_row(finding.check, finding.verdict, finding.found, style=STYLES[finding.verdict])
    return table
