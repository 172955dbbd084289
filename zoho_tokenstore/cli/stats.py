"""The command ``zoho-tokenstore stats``: counts for operators, and for Prometheus."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from zoho_tokenstore.cli.console import data
from zoho_tokenstore.cli.options import Json, on_table, open_table
from zoho_tokenstore.errors import ConfigurationError, DecryptionError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.activity import (
    DUE,
    FAILED,
    count_leases,
    count_logins,
    count_owners,
    recent,
)
from zoho_tokenstore.storage.maintenance import iter_records, needs_login, refused_logins
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["epoch_now", "has_expired", "register"]

HOUR: Final = 3_600_000
"""Milliseconds."""

PREFIX: Final = "zoho_tokenstore"
"""The beginning of every metric's name."""

MINUTES: Final = 5
"""Span for which audit entries are counted."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(stats)


@on_table
def stats(
    settings: Settings,
    *,
    as_json: Json = False,
    for_prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="Print counts in the text format of Prometheus."),
    ] = False,
) -> None:
    """Count users, clients, tokens, required logins and refreshes."""
    if as_json and for_prometheus:
        raise ConfigurationError("specify at most one of --json and --prometheus")
    with open_table(settings) as opened:
        if for_prometheus:
            for line in _prometheus_lines(opened):
                data.print(line)
            return
        found = _counts(opened)
    if as_json:
        data.print(json.dumps(found))
    else:
        for name, number in found.items():
            data.print(f"{name.replace('_', ' ')}: {number}")


def has_expired(token: TokenRecord, now: int) -> bool:
    """Return whether an access token has expired at a time in epoch milliseconds."""
    return token.expiry is not None and token.expiry <= now


def epoch_now() -> int:
    """Return the time in epoch milliseconds."""
    return int(time.time() * 1000)


def _counts(opened: TokenTables) -> dict[str, int]:
    """Count what can be read, and what cannot."""
    now = epoch_now()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    users, clients, unreadable = set(), set(), list[DecryptionError]()
    counts = dict.fromkeys(("tokens", "expired", "expiring_within_the_hour", "needs_login"), 0)
    refused = refused_logins(opened.database, opened.table, opened.codec)
    for token in iter_records(opened.database, opened.tokens, unreadable.append):
        users.add(token.user_name)
        clients.add(token.client_id)
        counts["tokens"] += 1
        counts["expired"] += has_expired(token, now)
        counts["expiring_within_the_hour"] += now < (token.expiry or 0) <= now + HOUR
        counts["needs_login"] += needs_login(token, refused)
    return {
        "users": len(users - {None}),
        "clients": len(clients - {None}),
        **counts,
        "unreadable": len(unreadable),
        "refreshes_today": opened.database.read(opened.audit.count_events, "refreshed", today),
    }


def _prometheus_lines(opened: TokenTables) -> Iterator[str]:
    """Yield the lines of all metrics, in the format of Prometheus, without any text of users.

    See https://prometheus.io/docs/instrumenting/exposition_formats/.

    Raises:
        DatabaseError: The database failed.
    """
    logins, leases = count_logins(opened), count_leases(opened)
    users, clients = count_owners(opened)
    failed = f"Tokens whose refresh has failed in the last {FAILED.seconds // 60} minutes."
    yield from _gauge("users", "Users with a stored token.", users)
    yield from _gauge("clients", "Client ids with a stored token.", clients)
    yield from _gauges(
        "tokens",
        f"Stored tokens by the state of their access token; due is within {DUE.seconds} s.",
        "state",
        logins.states,
    )
    yield from _gauge(
        "tokens_needing_login", "Tokens whose users must log in again.", logins.needs_login
    )
    yield from _gauge("refreshes_running", "Tokens that a worker is refreshing.", leases.running)
    yield from _gauge(
        "refreshes_waiting", "Tokens that must not be refreshed before a time.", leases.waiting
    )
    yield from _gauges("refreshes_failed", failed, "kind", leases.failed)
    yield from _gauges(
        "recent_events",
        f"Audit entries of the last {MINUTES} minutes.",
        "event",
        recent(opened, MINUTES),
    )


def _gauge(name: str, text: str, value: int) -> Iterator[str]:
    yield from _head(name, text)
    yield f"{PREFIX}_{name} {value}"


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> Iterator[str]:
    yield from _head(name, text)
    for value, number in values.items():
        yield f'{PREFIX}_{name}{{{label}="{value}"}} {number}'


def _head(name: str, text: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {text}"
    yield f"# TYPE {PREFIX}_{name} gauge"
