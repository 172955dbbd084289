"""The audit log: an entry for each change of a token, written in the same transaction."""

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
    type_coerce,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from zoho_tokenstore.database.compiled import CompiledStatement, row_count
from zoho_tokenstore.forks import start_anew_in_children
from zoho_tokenstore.schema.models import CREDENTIAL_LENGTH, companion_table

__all__ = ["AuditLog", "Event"]

Event = Literal[
    "created",
    "refreshed",
    "claimed",
    "invalidated",
    "imported",
    "revoked",
    "deleted",
    "policy-expired",
    "key-rotated",
]
"""A save is ``"created"`` or ``"refreshed"``; it is ``"claimed"`` when a login gains its user,
and ``"invalidated"`` when Zoho has refused its access token before the expiry."""

PAGE_SIZE: Final = 4_000
"""Entries that are read or deleted at once."""

MOST: Final = 0xFF
"""The last number within a millisecond."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AuditLog:
    """The audit log of one token table, in sessions that the caller opened.

    Args:
        tokens: The token table.
        enabled: Whether entries are written.

    Attributes:
        enabled: As given.
    """

    def __init__(self, tokens: Table, *, enabled: bool = True) -> None:
        """Build the statements once."""
        self.enabled = enabled
        self._tokens = tokens
        self._table = companion_table(tokens, "audit")
        self._insert = CompiledStatement(insert(self._table), row_count)

    def append_entry(self, session: Session, event: Event, row: Mapping[str, Any]) -> None:
        """Append an entry for a row that has just been written.

        Args:
            session: Where it was written.
            event: What happened.
            row: Its columns' values.
        """
        if self.enabled:
            self._insert.run(session.connection(), self._entry(event, row))

    def with_entry(self, change: Update) -> Insert:
        """Build the statement that changes a row and, if it has, appends an entry.

        It takes the parameters of the change and those of :meth:`entry_parameters`; only where
        :attr:`Backend.writes_in_cte` is set.
        """
        changed = change.returning(self._tokens.c.id).cte("changed")
        columns = list(self._table.columns)
        entry = (bindparam(f"entry_{column.name}", type_=column.type) for column in columns)
        appended = insert(self._table).from_select(columns, select(*entry).select_from(changed))
        return appended.execution_options(preserve_rowcount=True)

    def entry_parameters(self, event: Event, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the entry in a statement of :meth:`with_entry`."""
        return {f"entry_{name}": value for name, value in self._entry(event, row).items()}

    def _entry(self, event: Event, row: Mapping[str, Any]) -> dict[str, Any]:
        digest = row["access_digest"] or row["refresh_digest"] or row["grant_digest"]
        return _common(event) | {
            "entry_id": f"{entry_ids.next_prefix()}{0:024x}",
            "token_id": row["id"],
            "user_name": row["user_name"],
            "client_id": row["client_id"],
            "credential": digest and digest[:CREDENTIAL_LENGTH],
        }

    def append_for_rows(
        self, session: Session, event: Event, condition: ColumnElement[bool], **parameters: Any
    ) -> None:
        """Append an entry for each stored row that fits a condition, which takes the parameters.

        The database makes them from its rows, which takes far less than to send them.
        """
        if not self.enabled:
            return
        c = self._tokens.c
        digest = func.coalesce(c.access_digest, c.refresh_digest, c.grant_digest)
        values = {
            "entry_id": literal(entry_ids.next_prefix()) + func.substr(c.id_digest, 1, 24),
            **{name: literal(value) for name, value in _common(event).items()},
            "token_id": c.id,
            "user_name": c.user_name,
            "client_id": c.client_id,
            "credential": func.substr(digest, 1, CREDENTIAL_LENGTH),
        }
        entries = select(*values.values()).where(condition)
        session.execute(insert(self._table).from_select(list(values), entries), parameters)

    def read_entries(self, session: Session, after: str) -> Sequence[Row[Any]]:
        """Return the next entries, in chronological order.

        Args:
            session: Where to read.
            after: The id of the last entry seen, or the :meth:`first_id` of a time.
        """
        c = self._table.c
        # The time as the driver returns it: SQLAlchemy fails on the whole page if one is invalid.
        entries = (
            select(*(type_coerce(each, NullType) if each is c.at else each for each in c))
            .where(self._table.c.entry_id > after)
            .order_by(self._table.c.entry_id)
            .limit(PAGE_SIZE)
        )
        return session.execute(entries).all()

    def count_events(self, session: Session, event: Event, since: datetime) -> int:
        """Count the entries of one event since a time."""
        c = self._table.c
        happened = c.entry_id > self.first_id(since), c.event == event
        return session.scalar(select(func.count()).select_from(self._table).where(*happened)) or 0

    def count_entries(self, session: Session, before: datetime) -> int:
        """Count the entries before a time."""
        key = self._table.c.entry_id
        older = select(func.count()).select_from(self._table).where(key < self.first_id(before))
        return session.scalar(older) or 0

    def delete_entries(self, session: Session, before: datetime) -> int:
        """Delete the oldest entries before a time, a page of them; return how many."""
        key = self._table.c.entry_id
        oldest = select(key).where(key < self.first_id(before)).order_by(key).limit(PAGE_SIZE)
        ids = session.scalars(oldest).all()
        if ids:
            session.execute(delete(self._table).where(key <= ids[-1]))
        return len(ids)

    @staticmethod
    def first_id(at: datetime) -> str:
        """Return the id that sorts before all entries since a time."""
        return f"{max((at - EPOCH) // timedelta(milliseconds=1), 0):012x}"


class EntryIds:
    """The prefixes of entry ids, in chronological order within a process."""

    def __init__(self) -> None:
        """Start with an empty history."""
        self._last = (0, 0)
        self.start_anew()
        start_anew_in_children(self)

    def start_anew(self) -> None:
        """Replace the lock; a ``ForkSafeLock`` would take longer."""
        self._lock = threading.Lock()

    def next_prefix(self) -> str:
        """Return the time in milliseconds, the number within it, and random digits."""
        with self._lock:
            now = (int(time.time() * 1000), 0)
            if now <= self._last:  # in the same millisecond, or the clock was set back
                milliseconds, number = self._last
                now = (milliseconds, number + 1) if number < MOST else (milliseconds + 1, 0)
            self._last = now
        return f"{now[0]:012x}{now[1]:02x}{token_hex(5)}"


entry_ids: Final = EntryIds()


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
