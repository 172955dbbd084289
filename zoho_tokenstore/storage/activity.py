"""Counts for operators: logins by state, leases, and the audit entries of the last minutes.

None of them decrypts a token, except those whose login Zoho has refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from sqlalchemy import ColumnElement, and_, case, distinct, func, or_, select

from zoho_tokenstore.policy import RefreshPolicy
from zoho_tokenstore.refresh.lease import CLIENT_FAULTS, PERMANENT, THROTTLED
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.maintenance import refused_logins
from zoho_tokenstore.storage.queries import TokenQueries, database_time
from zoho_tokenstore.storage.tables import TokenTables

__all__ = [
    "DUE",
    "FAILED",
    "LeaseCounts",
    "LoginCounts",
    "count_leases",
    "count_logins",
    "count_owners",
    "recent",
]

DUE: Final = timedelta(seconds=RefreshPolicy().early)
"""Time before its expiry at which a token is refreshed, unless an application sets another."""

FAILED: Final = timedelta(minutes=5)
"""Time for which a failed refresh is counted."""

NAMED: Final = 20
"""Users who need a login that are named."""


@dataclass(frozen=True, slots=True)
class LoginCounts:
    """The stored tokens, counted.

    Attributes:
        states: Number of tokens whose access token is ``"valid"``, ``"due"`` for a refresh,
            ``"expired"`` or of an ``"unknown"`` expiry.
        needs_login: Number of tokens whose users must log in again, now or when they expire.
        named: Some of these users.
    """

    states: Mapping[str, int]
    needs_login: int
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaseCounts:
    """The refreshes that are under way, must wait, or have failed.

    Attributes:
        running: Number of tokens that a worker is refreshing.
        waiting: Number of tokens that must not be refreshed before a time.
        failed: Number of tokens whose latest refresh has failed in the last minutes, by kind:
            ``"login"`` and ``"client"`` refused by Zoho, ``"throttled"``, or ``"other"``.
    """

    running: int
    waiting: int
    failed: Mapping[str, int]


def count_logins(opened: TokenTables) -> LoginCounts:
    """Count the tokens by state; it reads the whole table.

    Raises:
        DatabaseError: The database failed.
    """
    c = opened.table.c
    now = database_time(opened.database)
    due = now + DUE // timedelta(milliseconds=1)
    # By the digests, which are there with and without encryption.
    unrefreshable = and_(c.refresh_digest.is_(None), c.access_digest.is_not(None))
    states = {
        "valid": c.expiry > due,
        "due": and_(c.expiry > now, c.expiry <= due),
        "expired": c.expiry <= now,
        "unknown": c.expiry.is_(None),
    }
    counted = select(*map(_number_of, (*states.values(), unrefreshable))).select_from(opened.table)
    *numbers, number = opened.database.read(
        lambda session: list(map(int, session.execute(counted).one()))
    )
    refused = refused_logins(opened.database, opened.table, opened.codec)
    return LoginCounts(
        dict(zip(states, numbers, strict=True)),
        number + len(refused),
        _named(opened, unrefreshable, [*refused][:NAMED]),
    )


def count_leases(opened: TokenTables) -> LeaseCounts:
    """Count the leases; it reads the whole table of leases.

    Raises:
        DatabaseError: The database failed.
    """
    c = companion_table(opened.table, "lease").c
    now = database_time(opened.database)
    # A failure is as old as the pause that began with it, less some seconds.
    has_failed = and_(
        c.failure.is_not(None), c.retry_at > now - FAILED // timedelta(milliseconds=1)
    )
    kinds = {
        "login": c.failure.in_(sorted(PERMANENT)),
        "client": c.failure.in_(sorted(CLIENT_FAULTS)),
        "throttled": c.failure == THROTTLED,
    }
    failures = [*kinds.values(), ~or_(*kinds.values())]
    conditions = (c.until > now, c.retry_at > now, *(and_(has_failed, kind) for kind in failures))
    counted = select(*map(_number_of, conditions))
    running, waiting, *numbers = opened.database.read(
        lambda session: list(map(int, session.execute(counted).one()))
    )
    return LeaseCounts(running, waiting, dict(zip((*kinds, "other"), numbers, strict=True)))


def recent(opened: TokenTables, minutes: int) -> dict[str, int]:
    """Count the audit entries of the last minutes by event, without reading older ones.

    Raises:
        DatabaseError: The database failed.
    """
    c = companion_table(opened.table, "audit").c
    begin = AuditLog.first_id(datetime.now(UTC) - timedelta(minutes=minutes))
    counted = select(c.event, func.count()).where(c.entry_id > begin).group_by(c.event)
    found = dict(opened.database.read(lambda session: [*map(tuple, session.execute(counted))]))
    return {event: found.get(event, 0) for event in get_args(Event)}


def count_owners(opened: TokenTables) -> tuple[int, int]:
    """Return the number of users and of clients; it reads the whole table.

    Raises:
        DatabaseError: The database failed.
    """
    c = opened.table.c
    counted = select(func.count(distinct(c.user_digest)), func.count(distinct(c.client_id)))
    users, clients = opened.database.read(lambda session: session.execute(counted).one())
    return users, clients


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _named(
    opened: TokenTables, unrefreshable: ColumnElement[bool], refused: Sequence[str]
) -> tuple[str, ...]:
    name = opened.table.c.user_name
    are_refused = TokenQueries(opened.database, opened.table).rows_with_ids(refused)
    query = select(name).where(or_(unrefreshable, are_refused), name.is_not(None)).limit(NAMED)
    names = opened.database.read(lambda session: session.scalars(query).all())
    return tuple(sorted(set(map(str, names))))
