"""The checks of ``doctor``: read-only, each with a verdict and advice."""

import stat
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from zoho_tokenstore.cli.console import quantity
from zoho_tokenstore.database.clock import TOLERANCE
from zoho_tokenstore.encryption.codec import EncryptedCodec
from zoho_tokenstore.errors import (
    DamagedRowError,
    DecryptionError,
    MissingPrivilegeError,
    MissingSDKError,
    SchemaMissingError,
    SchemaOlderError,
    TokenStoreError,
)
from zoho_tokenstore.schema.additions import added_by_others
from zoho_tokenstore.schema.state import HEAD
from zoho_tokenstore.sdk import load
from zoho_tokenstore.storage.maintenance import iter_records, refused_logins
from zoho_tokenstore.storage.queries import (
    TokenQueries,
    check_write_access,
    damaged_audit_entries,
    database_time,
    ping,
)
from zoho_tokenstore.storage.rotation import READABLE, count_keys
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["Finding", "run_checks"]

Verdict = Literal["ok", "warn", "fail"]
Result: TypeAlias = tuple[Verdict, str]

NAMED: Final = 5
"""Ids that a finding names at most."""

SLOW: Final = 0.1
"""Seconds of a round trip to the database that slow down every call of the SDK."""

MANY_LOGINS: Final = 15
"""Refresh tokens of one user that are reported: with the 21st, Zoho deletes the oldest
(https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token.html)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: Name of the check.
        verdict: ``"ok"``, ``"warn"`` for possible improvements or ``"fail"`` for errors.
        found: Observation, with advice unless the verdict is ``"ok"``.
    """

    check: str
    verdict: Verdict
    found: str


def run_checks(opened: TokenTables) -> Iterator[Finding]:
    """Yield the findings of all checks, up to the first error that prevents the others."""
    for name, check in CHECKS.items():
        try:
            result = check(opened)
        except TokenStoreError as error:
            yield Finding(name, "fail", str(error))
            return
        if result is not None:
            yield Finding(name, *result)


def _sdk(_: TokenTables) -> Result:
    found = []
    for package in ("zcrmsdk", "zohocrmsdk"):
        try:
            found.append(f"{package} (contract {load(package).contract})")
        except MissingSDKError:
            continue
    if not found:
        return ("warn", "no Zoho CRM SDK is installed here: install one where the store is used")
    return "ok", " and ".join(found)


def _database(opened: TokenTables) -> Result:
    # The first connection warns if it is not encrypted.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ping(opened.database)
    if caught:
        return "warn", str(caught[0].message)
    return "ok", f"{opened.database}, driver {opened.database.url.get_driver_name()}"


def _round_trip(opened: TokenTables) -> Result:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        ping(opened.database)
        times.append(time.perf_counter() - began)
    seconds = min(times)
    if seconds > SLOW:
        return ("warn", f"{seconds * 1000:.0f} ms per query: run the application near the database")
    return "ok", f"{seconds * 1000:.2f} ms"


def _file(opened: TokenTables) -> Result | None:
    path = opened.database.backend.file_of(opened.database.url)
    if path is None:
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return "warn", f"other users can access {path}: run 'chmod 600 {path}'"
    return "ok", f"mode {mode:04o}"


def _journal(opened: TokenTables) -> Result | None:
    backend = opened.database.backend
    if backend.file_of(opened.database.url) is None:
        return None
    mode = opened.database.read(backend.journal_mode)
    if mode != "wal":
        return "warn", (
            f"journal mode is {mode}, so readers and writers block each other: move the file to a "
            "local, writable disk, where write-ahead logging works"
        )
    return "ok", mode


def _schema(opened: TokenTables) -> Result:
    schema = opened.schema
    try:
        opened.database.read(lambda session: schema.ready(session.connection(), create=False))
    except (SchemaMissingError, SchemaOlderError) as error:
        backend = opened.database.backend
        grant = opened.database.read(backend.missing_grant_to_upgrade, schema.namespace)
        if grant is None:
            raise
        raise MissingPrivilegeError(f"{error}, which needs {grant}") from error
    added = added_by_others(opened.database, schema)
    if added:
        return "ok", f"{schema.name}, revision {HEAD} (head), with additions: {', '.join(added)}"
    return "ok", f"{schema.name}, revision {HEAD} (head)"


def _permissions(opened: TokenTables) -> Result:
    check_write_access(opened.database, opened.schema)
    return "ok", "may read and write"


def _encryption(opened: TokenTables) -> Result:
    codec = opened.codec
    counted = count_keys(opened.database, opened.table)
    readable = counted.pop(READABLE, 0)
    if not isinstance(codec, EncryptedCodec):
        return "warn", (
            f"secrets are stored unencrypted ({quantity(readable, 'token')}): create a key with "
            "'zoho-tokenstore keys generate'"
        )
    first_id = codec.cipher.first_id
    old = sum(number for key_id, number in counted.items() if key_id != first_id)
    if readable:
        return "warn", (
            f"{quantity(readable, 'unencrypted token')}: run 'zoho-tokenstore keys encrypt' for "
            "those from before the keys were set, delete others"
        )
    if old:
        return "warn", (
            f"{quantity(old, 'token')} encrypted with older keys: run 'zoho-tokenstore keys rotate'"
        )
    unused = sorted(set(opened.keyring.ids if opened.keyring else ()) - {first_id})
    if unused:
        return "ok", (
            f"all tokens are encrypted with key {first_id}; older keys that encrypt nothing here "
            f"({_enumerated(unused)}) are only needed for backups"
        )
    return "ok", f"all tokens are encrypted with key {first_id}"


def _tokens(opened: TokenTables) -> Result:
    errors: list[DecryptionError] = []
    stored, no_refresh = 0, list[str]()
    for token in iter_records(opened.database, opened.tokens, errors.append):
        stored += 1
        if token.refresh_token is None and token.grant_token is None:
            no_refresh.append(token.id or "")
    if errors:
        return _unserved(errors, stored)
    refused = refused_logins(opened.database, opened.table, opened.codec)
    if refused:
        return "warn", (
            f"{stored} stored, {len(refused)} refused by Zoho ({_enumerated(sorted(refused))}): "
            "the user of each must log in again"
        )
    if no_refresh:
        return "warn", (
            f"{stored} stored, {len(no_refresh)} without a refresh token "
            f"({_enumerated(no_refresh)}): the user of each must log in again when the access "
            "token expires; request the grant token with access_type=offline"
        )
    return "ok", f"{stored} stored"


def _unserved(errors: Sequence[DecryptionError], stored: int) -> Result:
    """Return the finding about tokens that cannot be served."""
    damaged = [error for error in errors if isinstance(error, DamagedRowError)]
    lost = [error for error in errors if type(error) is DecryptionError]
    if damaged:
        others = f"; {quantity(len(lost), 'other')} cannot be decrypted" if lost else ""
        return "fail", f"{stored} stored, {len(damaged)} damaged: {damaged[0]}{others}"
    if lost:
        ids = [token_id for error in lost for token_id in error.token_ids]
        return "fail", (
            f"{quantity(len(ids), 'token')} cannot be decrypted ({_enumerated(ids)}): {lost[0]}; "
            "add the missing key, or run 'zoho-tokenstore delete --unreadable'"
        )
    ids = [token_id for error in errors for token_id in error.token_ids]
    return "warn", (
        f"{stored} stored, {quantity(len(ids), 'unencrypted token')} refused ({_enumerated(ids)})"
    )


def _users(opened: TokenTables) -> Result:
    many = TokenQueries(opened.database, opened.table).users_with_many_logins(MANY_LOGINS)
    if many:
        users = _enumerated([f"{name} has {number}" for name, number in many])
        return "warn", (
            f"users with more than {MANY_LOGINS} refresh tokens ({users}): revoke unused tokens, "
            "because Zoho keeps 20 per user and deletes the oldest"
        )
    return "ok", f"at most {MANY_LOGINS} refresh tokens per user"


def _audit(opened: TokenTables) -> Result:
    damaged = damaged_audit_entries(opened.database, opened.audit)
    if damaged:
        number = quantity(len(damaged), "damaged entry", "damaged entries")
        return "warn", (
            f"{number} ({_enumerated(damaged)}): values of the wrong type, which the store does "
            "not write; find out who changed the audit table"
        )
    return "ok", "readable"


def _clock(opened: TokenTables) -> Result:
    seconds = time.time() - database_time(opened.database) / 1000
    if abs(seconds) * 1000 > TOLERANCE:
        return "warn", (
            f"this host's clock differs from the database's by {seconds:+.0f} s: synchronize both "
            "clocks (the store compensates, log files do not)"
        )
    return "ok", f"differs from the database's by {seconds:+.1f} s"


CHECKS: Final[dict[str, Callable[[TokenTables], Result | None]]] = {
    "SDK": _sdk,
    "database": _database,
    "round trip": _round_trip,
    "file": _file,
    "journal": _journal,
    "table": _schema,
    "permissions": _permissions,
    "encryption": _encryption,
    "tokens": _tokens,
    "users": _users,
    "audit": _audit,
    "clock": _clock,
}
"""Checks by name, in an order in which each depends only on those before it."""


def _enumerated(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
