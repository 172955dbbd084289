"""``zoho-tokenstore doctor``: is everything as it should be, and what to do where it is not."""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import typer
from rich.table import Table
from sqlalchemy import func, select

from zoho_tokenstore.cli.checks import check_permissions, file_mode, journal_mode
from zoho_tokenstore.cli.console import data, print_table
from zoho_tokenstore.cli.options import Json, on_table, opened, tables_of
from zoho_tokenstore.database.clock import TOLERANCE, epoch_milliseconds
from zoho_tokenstore.errors import DecryptionError, MissingSDKError, TokenStoreError
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import HEAD
from zoho_tokenstore.sdk import load
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.maintenance import iter_records, refused_logins
from zoho_tokenstore.storage.rotation import READABLE, count_keys
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["register"]

Verdict = Literal["ok", "warn", "fail"]
Found = tuple[Verdict, str]

STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}

NAMED: Final = 5
"""Ids that a finding names at most."""

SLOW: Final = 0.1
"""Seconds for a round trip to the database that every call of the SDK would feel."""

MANY_LOGINS: Final = 15
"""Refresh tokens of one user from which on it is said: the 21st makes Zoho delete the oldest
(https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token.html)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and how it is.

    Attributes:
        check: What.
        verdict: ``"fail"`` when something does not work, ``"warn"`` when it could be better.
        found: How it is, and what to do.
    """

    check: str
    verdict: Verdict
    found: str


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


@on_table
def doctor(settings: Settings, *, as_json: Json = False) -> None:
    """Look at the SDK, the database, the table, the encryption and every stored token."""
    with opened(settings, create=False) as database:
        findings = list(_examine(tables_of(database, settings)))
    if as_json:
        data.print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print_table(_report(findings))
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _examine(table: TokenTables) -> Iterator[Finding]:
    """Yield what the checks find, up to the first that makes the others impossible."""
    for name, check in CHECKS.items():
        try:
            found = check(table)
        except TokenStoreError as error:
            yield Finding(name, "fail", str(error))
            return
        if found is not None:
            yield Finding(name, *found)


def _sdk(_: TokenTables) -> Found:
    found = []
    for package in ("zcrmsdk", "zohocrmsdk"):
        try:
            found.append(f"{package} (contract {load(package).contract})")
        except MissingSDKError:
            continue
    if not found:
        return "warn", "no Zoho CRM SDK is installed here: install it where the store is used"
    return "ok", " and ".join(found)


def _database(table: TokenTables) -> Found:
    """Connect, and see whether anybody on the network could read along."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table.database.read(lambda session: session.scalar(select(1)))
    if caught:
        return "warn", str(caught[0].message)
    return "ok", f"{table.database}, driver {table.database.url.get_driver_name()}"


def _round_trip(table: TokenTables) -> Found:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        table.database.read(lambda session: session.scalar(select(1)))
        times.append(time.perf_counter() - began)
    seconds = min(times)
    if seconds > SLOW:
        return "warn", f"{seconds * 1000:.0f} ms for every call: move the database nearer"
    return "ok", f"{seconds * 1000:.2f} ms"


def _pool(table: TokenTables) -> Found:
    return "ok", table.database.pool_status()


def _file(table: TokenTables) -> Found | None:
    found = file_mode(table.database.url)
    if found is None:
        return None
    path, mode, is_private = found
    if not is_private:
        return "warn", f"others can read it: run 'chmod 600 {path}'"
    return "ok", f"mode {mode:04o}"


def _journal(table: TokenTables) -> Found | None:
    mode = journal_mode(table.database)
    if mode is None:
        return None
    if mode != "wal":
        return "warn", (
            f"{mode}: readers and writers wait for each other; write-ahead logging cannot be "
            "switched on here (is the file on a network, or read-only?)"
        )
    return "ok", mode


def _schema(table: TokenTables) -> Found:
    names = table.schema
    table.database.read(lambda session: names.ready(session.connection(), create=False))
    migrations.check(table.database, names)
    return "ok", f"{names.name}, revision {HEAD} (head)"


def _permissions(table: TokenTables) -> Found:
    check_permissions(table.database, table.schema)
    return "ok", "may read and write"


def _keys(table: TokenTables) -> Found:
    keyring = table.keyring
    codec = table.codec
    counted = count_keys(table.database, table.table)
    readable = counted.pop(READABLE, 0)
    if not codec.encrypts or keyring is None:
        return "warn", (
            f"secrets are stored readable ({readable} tokens): make a key with "
            "'zoho-tokenstore keys generate'"
        )
    old = [key_id for key_id in counted if key_id != keyring.first.id]
    if readable or old:
        return "warn", (
            f"{readable} tokens are readable, {sum(counted[key_id] for key_id in old)} encrypted "
            "with older keys: run 'zoho-tokenstore keys rotate'"
        )
    return "ok", f"all encrypted with {keyring.first.id}"


def _tokens(table: TokenTables) -> Found:
    unreadable: list[DecryptionError] = []
    stored = sum(1 for _ in iter_records(table.database, table.tokens, unreadable.append))
    if unreadable:
        ids = [token_id for error in unreadable for token_id in error.token_ids]
        return "fail", f"{len(ids)} cannot be read ({_some(ids)}): {unreadable[0]}"
    refused = refused_logins(table.database, table.table, table.codec)
    if refused:
        return "warn", (
            f"{stored} stored, {len(refused)} refused by Zoho ({_some(sorted(refused))}): log "
            "these users in again"
        )
    return "ok", f"{stored} stored"


def _users(table: TokenTables) -> Found:
    c = table.table.c
    logins = func.count(c.refresh_digest)
    many = (
        select(func.min(c.user_name), logins)
        .where(c.user_digest.is_not(None))
        .group_by(c.user_digest)
        .having(logins > MANY_LOGINS)
        .order_by(logins.desc())
    )
    rows = table.database.read(lambda session: session.execute(many).all())
    if rows:
        shown = _some([f"{name} has {number}" for name, number in rows])
        return "warn", (
            f"more than {MANY_LOGINS} refresh tokens of one user ({shown}): Zoho keeps 20 of a "
            "user and forgets the oldest; revoke those that are not needed"
        )
    return "ok", f"nobody has more than {MANY_LOGINS} refresh tokens"


def _clock(table: TokenTables) -> Found:
    there = table.database.read(lambda session: session.scalar(select(epoch_milliseconds())))
    seconds = time.time() - (there or 0) / 1000
    if abs(seconds) * 1000 > TOLERANCE:
        return "warn", (
            f"this host's clock is {seconds:+.0f} s from the database's; the store takes that into "
            "account, the SDK's log does not"
        )
    return "ok", f"{seconds:+.1f} s from the database's"


CHECKS: Final[dict[str, Callable[[TokenTables], Found | None]]] = {
    "SDK": _sdk,
    "database": _database,
    "round trip": _round_trip,
    "pool": _pool,
    "file": _file,
    "journal": _journal,
    "table": _schema,
    "permissions": _permissions,
    "encryption": _keys,
    "tokens": _tokens,
    "users": _users,
    "clock": _clock,
}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _report(findings: Sequence[Finding]) -> Table:
    table = Table("check", "verdict", "found")
    for finding in findings:
        table.add_row(finding.check, finding.verdict, finding.found, style=STYLES[finding.verdict])
    return table
