"""What a ``TokenPolicy`` means for rows: which are still served, and when use of them is noted."""

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

from zoho_tokenstore.policy import TokenPolicy
from zoho_tokenstore.schema.models import UtcDateTime
from zoho_tokenstore.tokens.digests import digest

__all__ = ["Retention", "expired_before", "idle_since", "logged_in_before"]

REMEMBERED: Final = 10_000
"""Tokens of which a process remembers when it last noted their use."""

Moment = datetime | BindParameter[datetime]
Condition = Callable[[Table, Moment], ColumnElement[bool]]


def logged_in_before(table: Table, moment: Moment) -> ColumnElement[bool]:
    """Build the condition that the user's last login is older."""
    return func.coalesce(table.c.login_at, table.c.created_at, type_=UtcDateTime) < moment


def idle_since(table: Table, moment: Moment) -> ColumnElement[bool]:
    """Build the condition that the token was neither saved nor, as far as is noted, found since."""
    used_at = func.coalesce(table.c.used_at, table.c.updated_at, type_=UtcDateTime)
    return (table.c.updated_at < moment) & (used_at < moment)


def expired_before(table: Table, moment: datetime) -> ColumnElement[bool]:
    """Build the condition that the access token has expired, and nobody has refreshed it since."""
    return table.c.expiry < int(moment.timestamp() * 1000)


class Retention:
    """The limits of one token table; none of them without a policy.

    Args:
        table: The token table.
        policy: The limits.

    Attributes:
        fresh: The conditions of the rows that may be served; they take :meth:`parameters`.
        outdated: The condition of the others; it takes the same.
    """

    def __init__(self, table: Table, policy: TokenPolicy | None) -> None:
        """Build the conditions and the statement once."""
        policy = policy or TokenPolicy()
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

    def __bool__(self) -> bool:
        """Tell whether there are any limits."""
        return bool(self._limits)

    def parameters(self) -> dict[str, Any]:
        """Return what the conditions need to know now."""
        if not self._limits:
            return {}
        now = datetime.now(UTC)
        return {name: now - limit for name, (limit, _) in self._limits.items()}

    def outdated_now(self) -> ColumnElement[bool]:
        """Return the condition of the rows that may not be served now, complete."""
        now = datetime.now(UTC)
        over = (condition(self._table, now - limit) for limit, condition in self._limits.values())
        return or_(false(), *over)

    def is_use_due(self, key: str) -> bool:
        """Tell whether it has to be noted that the token of this id is used."""
        return self._usage is not None and self._usage.is_due(key)

    def note_use(self, session: Session, key: str) -> None:
        """Note that the token of this id is used."""
        if self._usage is not None:
            self._usage.note(session, key)


class Usage:
    """Notes when tokens are used, far less often than they are.

    Args:
        table: The token table.
        max_idle: The limit that the notes are for.
    """

    def __init__(self, table: Table, max_idle: timedelta) -> None:
        """Remember nothing yet."""
        self._interval = min(max_idle / 20, timedelta(hours=1))
        self._noted: dict[str, float] = {}
        not_noted = or_(
            table.c.used_at.is_(None),
            table.c.used_at < bindparam("stale", type_=UtcDateTime),
        )
        self._update = (
            update(table)
            .where(table.c.id_digest == bindparam("row_digest"), not_noted)
            .values(used_at=bindparam("now", type_=UtcDateTime))
        )

    def is_due(self, key: str) -> bool:
        """Tell whether this process has not noted it for the interval."""
        noted = self._noted.get(key)
        return noted is None or time.monotonic() - noted > self._interval.total_seconds()

    def note(self, session: Session, key: str) -> None:
        """Note it, unless another process has."""
        now = datetime.now(UTC)
        parameters = {"row_digest": digest("id", key), "now": now, "stale": now - self._interval}
        session.connection().execute(self._update, parameters)
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted[key] = time.monotonic()
