"""Many tokens saved at once: what is concerned is read, worked out, and the difference written."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.statements import keeping_update, one_of
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, Digest, digest
from zoho_tokenstore.tokens.matching import login_of
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import BatchPlan

__all__ = ["PAGE_SIZE", "Batches"]

PAGE_SIZE: Final = 400
"""Rows per statement: looked up by five digests each, still below SQL Server's 2,100 parameters."""

Put = Callable[[BatchPlan, TokenRecord], None]
"""Saves one token of a batch onto the rows as those before it have left them."""


class Batches:
    """The statements of one token table that save any number of tokens.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.token_table`.
        backend: SQLAlchemy's name of the database.
        codec: Makes column values of records, and records of rows.
        audit: Is told what is written.
    """

    def __init__(self, table: Table, backend: str, codec: RowCodec, audit: AuditLog) -> None:
        """Build the statements once."""
        self._codec = codec
        self._audit = audit
        self._key = key = table.c.id_digest
        self._related = select(*(table.c[name] for name in codec.columns)).where(
            or_(*(one_of(table.c[name], backend) for name in DIGEST_COLUMNS.values()))
        )
        self._insert = insert(table)
        self._update = keeping_update(table)
        self._delete = delete(table).where(key == bindparam("row_digest"))
        self._vacate = (
            update(table)
            .where(key == bindparam("row_digest"))
            .values(identity_digest=bindparam("vacated"))
        )

    def save(
        self,
        session: Session,
        tokens: Sequence[TokenRecord],
        event: Event | None = None,
        put: Put = BatchPlan.save,
    ) -> list[str]:
        """Insert or update the rows that the tokens speak of; return their ids, in order.

        Args:
            session: Where to write; the caller commits.
            tokens: At most ``BATCH_SIZE`` tokens.
            event: What the audit shall call it, if not by what becomes of each row.
            put: Saves one token.

        Raises:
            AmbiguousTokenError: More than one row fits a token.
            IdConflictError: A token's id belongs to another row.
            EncryptionError: One of the rows concerned cannot be read.
        """
        ids: list[str] = []
        for start in range(0, len(tokens), PAGE_SIZE):
            page = tokens[start : start + PAGE_SIZE]
            digest_once = cache(self._codec.digest)
            changes = BatchPlan(self._find_related(session, page, digest_once))
            for token in page:
                put(changes, token)
            self._write(session, changes, digest_once, event)
            ids += changes.ids
        return ids

    def _find_related(
        self, session: Session, tokens: Sequence[TokenRecord], digest: Digest
    ) -> list[TokenRecord]:
        """Return the rows that share an id, a user name or a token with one of these."""
        digests: dict[str, list[str]] = {}
        for field, column in DIGEST_COLUMNS.items():
            makers = (digest, *self._codec.digests(field)[1:])
            digests[column] = [
                make(field, value)
                for value in {getattr(token, field) for token in tokens} - {None}
                for make in makers
            ]
        return list(map(self._codec.record, session.execute(self._related, digests)))

    def _write(
        self, session: Session, changes: BatchPlan, digest: Digest, event: Event | None
    ) -> None:
        now = datetime.now(UTC)
        if changes.deleted:
            absorbed = [digest("id", key) for key in changes.deleted]
            self._note(session, "claimed", absorbed)
            session.execute(self._delete, [{"row_digest": row} for row in absorbed])
        moving = changes.moving()
        if len(moving) > 1:
            # One may move to where another still is, so all leave first.
            session.execute(self._vacate, [_vacated(key) for key in moving])
        if changes.updated:
            self._write_updated(session, changes, digest, now, event)
        if changes.inserted:
            times = {"created_at": now, "updated_at": now}
            rows = [self._values(row, digest) | times for row in changes.inserted.values()]
            session.execute(self._insert, rows)
            self._note(session, event or "created", [row["id_digest"] for row in rows])

    def _write_updated(
        self,
        session: Session,
        changes: BatchPlan,
        digest: Digest,
        now: datetime,
        event: Event | None,
    ) -> None:
        parameters = []
        noted: dict[Event, list[str]] = {}
        for key, row in changes.updated.items():
            stored, after = changes.stored[key], self._values(row, digest)
            times = {"new_updated_at": now, "new_login_at": _login_at(stored, row, now)}
            parameters.append(self._new_values(stored, after, digest) | times)
            claimed = stored.user_name is None and row.user_name is not None
            what = event or ("claimed" if claimed else "refreshed")
            noted.setdefault(what, []).append(after["id_digest"])
        session.execute(self._update, parameters)
        for what, rows in noted.items():
            self._note(session, what, rows)

    def _note(self, session: Session, event: Event, rows: list[str]) -> None:
        self._audit.note_stored(session, event, self._key.in_(rows))

    def _new_values(
        self, stored: TokenRecord, after: dict[str, Any], digest: Digest
    ) -> dict[str, Any]:
        """Return the parameters that turn the stored row into the new one.

        What stays as it is may be ``None``; in a table with keys, all is encrypted anew.
        """
        before = {} if self._codec.encrypts else self._values(stored, digest)
        changed = {
            f"new_{name}": None if name in before and before[name] == value else value
            for name, value in after.items()
        }
        return changed | {
            "row_digest": after["id_digest"],
            "new_identity_digest": after["identity_digest"],
        }

    def _values(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        return self._codec.values(row, digest)


def _login_at(stored: TokenRecord, row: TokenRecord, now: datetime) -> datetime | None:
    return now if login_of(stored) != login_of(row) else None


def _vacated(key: str) -> dict[str, str]:
    return {"row_digest": digest("id", key), "vacated": digest("vacated", key)}
