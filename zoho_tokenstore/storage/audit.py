"""The audit: what happened to which token, written in the transaction in which it happens."""

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from secrets import token_hex
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Insert,
    Row,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.schema.models import CREDENTIAL_LENGTH, audit_table

__all__ = ["AuditLog", "Event"]

Event = Literal[
    "created",
    "refreshed",
    "claimed",
    "imported",
    "revoked",
    "deleted",
    "policy-expired",
    "key-rotated",
]
"""What can happen to a token: a save is ``"created"`` or ``"refreshed"``, or ``"claimed"`` when a
login that was nobody's becomes a user's."""

PAGE_SIZE: Final = 4_000
"""Entries that are read, or trimmed, at once."""

MOST: Final = 0xFF
"""The last number within a millisecond."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AuditLog:
    """All SQL of the audit of one token table, in sessions that the caller opened.

    Args:
        tokens: The token table.
        enabled: Whether anything is written.

    Attributes:
        enabled: As given.
    """

    def __init__(self, tokens: Table, *, enabled: bool = True) -> None:
        """Build the statements once."""
        self.enabled = enabled
        self._tokens = tokens
        self._table = audit_table(tokens)
        self._insert = insert(self._table)

    def note(self, session: Session, event: Event, row: Mapping[str, Any]) -> None:
        """Append an entry for a row that has just been written.

        Args:
            session: Where it was written.
            event: What happened.
            row: Its columns' values.
        """
        if self.enabled:
            session.connection().execute(self._insert, self.entry(event, row))

    def noting(self, change: Update) -> Insert:
        """Build the statement that changes a row and, if it has, appends an entry.

        It takes what the change does, and the values of :meth:`entry` as ``entry_`` and the
        column's name. Only PostgreSQL can do it
        (https://www.postgresql.org/docs/current/queries-with.html).
        """
        changed = change.returning(self._tokens.c.id).cte("changed")
        columns = list(self._table.columns)
        entry = (bindparam(f"entry_{column.name}", type_=column.type) for column in columns)
        appended = insert(self._table).from_select(columns, select(*entry).select_from(changed))
        return appended.execution_options(preserve_rowcount=True)

    def entry(self, event: Event, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an entry for a row of these values."""
        digest = row["access_digest"] or row["refresh_digest"] or row["grant_digest"]
        return _common(event) | {
            "entry_id": f"{entry_ids.next()}{0:024x}",
            "token_id": row["id"],
            "user_name": row["user_name"],
            "client_id": row["client_id"],
            "credential": digest and digest[:CREDENTIAL_LENGTH],
        }

    def note_stored(self, session: Session, event: Event, condition: ColumnElement[bool]) -> None:
        """Append an entry for each stored row that a condition holds for.

        The database makes them of the rows, which takes far less than to send them.
        """
        if not self.enabled:
            return
        c = self._tokens.c
        digest = func.coalesce(c.access_digest, c.refresh_digest, c.grant_digest)
        values = {
            "entry_id": literal(entry_ids.next()) + func.substr(c.id_digest, 1, 24),
            **{name: literal(value) for name, value in _common(event).items()},
            "token_id": c.id,
            "user_name": c.user_name,
            "client_id": c.client_id,
            "credential": func.substr(digest, 1, CREDENTIAL_LENGTH),
        }
        entries = select(*values.values()).where(condition)
        session.execute(insert(self._table).from_select(list(values), entries))

    def page(self, session: Session, after: str) -> Sequence[Row[Any]]:
        """Return the next entries, in their order.

        Args:
            session: Where to read.
            after: The id of the last entry seen, or what :meth:`moment` makes of a time.
        """
        entries = (
            select(self._table)
            .where(self._table.c.entry_id > after)
            .order_by(self._table.c.entry_id)
            .limit(PAGE_SIZE)
        )
        return session.execute(entries).all()

    def count(self, session: Session, event: Event, since: datetime) -> int:
        """Count what happened since a time."""
        c = self._table.c
        happened = c.entry_id > self.moment(since), c.event == event
        return session.scalar(select(func.count()).select_from(self._table).where(*happened)) or 0

    def count_before(self, session: Session, before: datetime) -> int:
        """Count the entries before a time."""
        key = self._table.c.entry_id
        older = select(func.count()).select_from(self._table).where(key < self.moment(before))
        return session.scalar(older) or 0

    def trim(self, session: Session, before: datetime) -> int:
        """Delete the oldest entries before a time, a page of them; return how many."""
        key = self._table.c.entry_id
        oldest = select(key).where(key < self.moment(before)).order_by(key).limit(PAGE_SIZE)
        ids = session.scalars(oldest).all()
        if ids:
            session.execute(delete(self._table).where(key <= ids[-1]))
        return len(ids)

    @staticmethod
    def moment(at: datetime) -> str:
        """Return what the ids of all entries since a time are greater than."""
        return f"{max((at - EPOCH) // timedelta(milliseconds=1), 0):012x}"


class EntryIds:
    """Makes the beginnings of entries' ids, those of one process in its order."""

    def __init__(self) -> None:
        """Begin at any time."""
        self._lock = threading.Lock()
        self._last = (0, 0)

    def renew_lock(self) -> None:
        """Replace the lock: in the child of a fork, who holds it may not be there to let it go."""
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return the time in milliseconds, the number within it, and what no other process has."""
        with self._lock:
            now = (int(time.time() * 1000), 0)
            if now <= self._last:  # in the same millisecond, or the clock was put back
                milliseconds, number = self._last
                now = (milliseconds, number + 1) if number < MOST else (milliseconds + 1, 0)
            self._last = now
        return f"{now[0]:012x}{now[1]:02x}{token_hex(5)}"


entry_ids: Final = EntryIds()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=entry_ids.renew_lock)


def _common(event: Event) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC),
        "event": event,
        "host": _host(),
        "process": os.getpid(),
    }


@cache
def _host() -> str:
    return socket.gethostname()
