"""How long rows are kept: a ``TokenPolicy`` applied to tokens, and old audit entries deleted."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Table,
    bindparam,
    false,
    func,
    not_,
    or_,
    update,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import DatabaseError
from zoho_tokenstore.policy import TokenPolicy
from zoho_tokenstore.schema.models import UtcDateTime
from zoho_tokenstore.storage.audit import PAGE_SIZE, AuditLog
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import UNKNOWN_EXPIRY

__all__ = ["AuditRetention", "Retention", "expired_before", "idle_since", "logged_in_before"]

REMEMBERED: Final = 10_000
"""Tokens whose latest recorded use a process remembers."""

PAUSE: Final = 3600.0
"""Seconds between two deletions of old audit entries in one process."""

log: Final = logging.getLogger("zoho_tokenstore")

Moment = datetime | BindParameter[datetime]
Condition = Callable[[Table, Moment], ColumnElement[bool]]


def logged_in_before(table: Table, moment: Moment) -> ColumnElement[bool]:
    """Build the condition that the user's last login is older than a moment."""
    return func.coalesce(table.c.login_at, table.c.created_at, type_=UtcDateTime) < moment


def idle_since(table: Table, moment: Moment) -> ColumnElement[bool]:
    """Build the condition that the token was neither saved nor, as far as recorded, found since."""
    used_at = func.coalesce(table.c.used_at, table.c.updated_at, type_=UtcDateTime)
    return (table.c.updated_at < moment) & (used_at < moment)


def expired_before(table: Table, moment: datetime) -> ColumnElement[bool]:
    """Build the condition that the access token expired before a moment, and is still stored.

    An unknown expiry counts from the last save, which is the import at first.
    """
    expired = table.c.expiry < int(moment.timestamp() * 1000)
    is_known = table.c.expiry != UNKNOWN_EXPIRY
    return expired & (is_known | (table.c.updated_at < moment))


class Retention:
    """The limits of one token table.

    Args:
        table: The token table.
        policy: The limits.

    Attributes:
        fresh: The conditions of the rows that may be served; they take :meth:`parameters`.
        outdated: The condition of the others; it takes the same.
    """

    def __init__(self, table: Table, policy: TokenPolicy) -> None:
        """Build the conditions and the statement once."""
        limits = {
            "oldest": (policy.max_age, logged_in_before),
            "idlest": (policy.max_idle, idle_since),
        }
        self._table = table
        self._limits: dict[str, tuple[timedelta, Condition]] = {
            name: (cast("timedelta", limit), condition)
            for name, (limit, condition) in limits.items()
            if limit is not None
        }
        over = [
            condition(table, bindparam(name, type_=UtcDateTime))
            for name, (_, condition) in self._limits.items()
        ]
        self.fresh: tuple[ColumnElement[bool], ...] = tuple(map(not_, over))
        self.outdated: ColumnElement[bool] = or_(false(), *over)
        self._usage = None
        if "idlest" in self._limits:
            self._usage = Usage(table, self._limits["idlest"][0])

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the conditions at this moment."""
        now = datetime.now(UTC)
        return {name: now - limit for name, (limit, _) in self._limits.items()}

    def outdated_now(self) -> ColumnElement[bool]:
        """Return the condition of the rows that may not be served now, complete."""
        now = datetime.now(UTC)
        over = (condition(self._table, now - limit) for limit, condition in self._limits.values())
        return or_(false(), *over)

    def is_use_due(self, key: str) -> bool:
        """Return whether the use of this token has to be recorded again."""
        return self._usage is not None and self._usage.is_due(key)

    def record_use(self, session: Session, key: str) -> None:
        """Record that this token is used."""
        if self._usage is not None:
            self._usage.record_use(session, key)


class Usage:
    """Records when tokens are used, far less often than they are.

    Args:
        table: The token table.
        max_idle: The limit that the records serve.
    """

    def __init__(self, table: Table, max_idle: timedelta) -> None:
        """Build the statement once."""
        self._interval = min(max_idle / 20, timedelta(hours=1))
        self._recorded: dict[str, float] = {}
        stale = or_(
            table.c.used_at.is_(None),
            table.c.used_at < bindparam("stale", type_=UtcDateTime),
        )
        self._update = (
            update(table)
            .where(table.c.id_digest == bindparam("row_digest"), stale)
            .values(used_at=bindparam("now", type_=UtcDateTime))
        )

    def is_due(self, key: str) -> bool:
        """Return whether this process has not recorded the use for an interval."""
        recorded = self._recorded.get(key)
        return recorded is None or time.monotonic() - recorded > self._interval.total_seconds()

    def record_use(self, session: Session, key: str) -> None:
        """Record the use, unless another process has."""
        now = datetime.now(UTC)
        parameters = {"row_digest": digest("id", key), "now": now, "stale": now - self._interval}
        session.connection().execute(self._update, parameters)
        if len(self._recorded) >= REMEMBERED:
            self._recorded.clear()
        self._recorded[key] = time.monotonic()


class AuditRetention:
    """Deletes the entries of an audit log that are older than a limit, once an hour.

    Args:
        audit: The audit log.
        limit: How long an entry is kept.
    """

    def __init__(self, audit: AuditLog, limit: timedelta) -> None:
        """Begin with the first write."""
        self._audit = audit
        self._limit = limit
        self._due = 0.0

    def apply(self, database: Database) -> None:
        """Delete a page of old entries if it is time; a failure is logged and changes nothing."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PAUSE  # at once, so that other threads leave it to this one
        try:
            deleted = database.write(self._audit.delete_entries, datetime.now(UTC) - self._limit)
        except DatabaseError as error:
            log.warning("old audit entries could not be deleted: %s", error)
        else:
            if deleted == PAGE_SIZE:  # there may be more
                self._due = 0.0
