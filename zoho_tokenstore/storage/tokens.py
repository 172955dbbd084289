"""All SQL of tokens: parameterised, in a session that the caller opened."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.schema.models import key_table
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.batches import PAGE_SIZE, Batches, Put
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.statements import PACKING, REFRESHED, packed, refreshing_update, upsert
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, digest
from zoho_tokenstore.tokens.matching import Rule, find_one, rule_of
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import BatchPlan, new_id

__all__ = ["TokenTable"]

CHANGING_WITHIN: Final = ("postgresql",)
"""Databases where a statement can change one table with what it changes in another."""


class TokenTable:
    """The statements of one token table.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.token_table`.
        backend: SQLAlchemy's name of the database.
        codec: Makes column values of records, and records of rows.
        audit: Is told what is written; without one nothing is noted.
        retention: Which rows can be found; all of them without one.

    Attributes:
        codec: As given.
        refreshes_at_once: Whether :meth:`refresh` is one statement, the audit's entry included.
    """

    def __init__(
        self,
        table: Table,
        backend: str,
        codec: RowCodec,
        *,
        audit: AuditLog | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Build the statements once; SQLAlchemy compiles each once per dialect."""
        self._table = table
        self.codec = codec
        self._audit = audit or AuditLog(table, enabled=False)
        self._retention = retention = retention or Retention(table, None)
        # Columns instead of entities: loading an entity costs more than the query itself.
        self._select = select(*(table.c[name] for name in codec.columns))
        self._packs = backend in PACKING
        one = select(packed(table, codec.columns)) if self._packs else self._select
        named = {
            field: _is_one_of(table.c[column], len(codec.digests(field)))
            for field, column in DIGEST_COLUMNS.items()
        }
        self._find: dict[str, Select[Any]] = {
            field: one.where(condition, *retention.fresh) for field, condition in named.items()
        }
        self._find_outdated = {
            field: self._select.where(condition, retention.outdated)
            for field, condition in (named if retention else {}).items()
        }
        key = table.c.id_digest
        served = self._select.add_columns(key).where(*retention.fresh)
        self._first_page = served.order_by(key).limit(PAGE_SIZE)
        self._next_page = self._first_page.where(key > bindparam("after"))
        change = refreshing_update(table, key_table(table))
        self._notes_within = self._audit.enabled and backend in CHANGING_WITHIN
        self._refresh = self._audit.noting(change) if self._notes_within else change
        self.refreshes_at_once = self._notes_within or not self._audit.enabled
        self._upsert = upsert(table, key_table(table), backend)
        self._upsert_returning = (
            None if self._upsert is None else self._upsert.returning(table.c.id, table.c.created_at)
        )
        self._id_by_identity = select(table.c.id, table.c.created_at).where(
            table.c.identity_digest == bindparam("identity_digest")
        )
        self._batches = Batches(table, backend, codec, self._audit)

    def find(self, session: Session, token: TokenRecord) -> TokenRecord | None:
        """Return the row that the token speaks of, by the first rule that applies.

        Raises:
            AmbiguousTokenError: More than one row fits.
        """
        rule = rule_of(token)
        if rule is None:
            return None
        parameters = self._named_by(rule, token)
        # Without the session's own execute(): looking for entities is a tenth of a lookup.
        rows = session.connection().execute(self._find[rule.field], parameters).all()
        return find_one(
            rule, token, self._records([row[0] for row in rows] if self._packs else rows)
        )

    def find_outdated(self, session: Session, token: TokenRecord) -> list[str]:
        """Return the ids of the rows that would be found if they were not too old."""
        rule = rule_of(token)
        if rule is None or not self._find_outdated:
            return []
        parameters = self._named_by(rule, token)
        rows = self._records(session.execute(self._find_outdated[rule.field], parameters))
        return [row.id for row in rows if row.id is not None and rule.fits(token, row)]

    def page(self, session: Session, after: str | None) -> Sequence[Row[Any]]:
        """Return the next rows in the order of their keys, :data:`PAGE_SIZE` at most.

        What they hold is for :meth:`RowCodec.record` to tell, but for the last value: the key.

        Args:
            session: Where to read.
            after: The key of the last row seen, ``None`` to begin.
        """
        limits = self._retention.parameters()
        if after is None:
            return session.execute(self._first_page, limits).all()
        return session.execute(self._next_page, {"after": after} | limits).all()

    def ids(self, session: Session, condition: ColumnElement[bool]) -> Sequence[str]:
        """Return the ids of rows that a condition holds for, a page of them at most."""
        found = select(self._table.c.id).where(condition).limit(PAGE_SIZE)
        return session.scalars(found).all()

    def refresh(self, session: Session, token: TokenRecord) -> str | None:
        """Update a token that was read from here and has been refreshed since.

        Its user, client, grant and refresh token are as they were, so whom it belongs to is no
        question, and no other row can be concerned. What is encrypted is never changed unread.

        Returns:
            The row's id, or ``None`` when nothing was done because it is another case.
        """
        if self.codec.encrypts or not (token.id and token.user_name):
            return None
        values = self._values(token) | {"updated_at": datetime.now(UTC)}
        names = (*REFRESHED, "id_digest", "identity_digest", "grant_digest", "refresh_digest")
        parameters = {f"new_{name}": values[name] for name in names}
        if self._notes_within:
            entry = self._audit.entry("refreshed", values)
            parameters |= {f"entry_{name}": value for name, value in entry.items()}
        updated = session.connection().execute(self._refresh, parameters)
        if not updated.rowcount:
            return None
        if not self._notes_within:
            self._audit.note(session, "refreshed", values)
        return token.id

    def upsert(self, session: Session, token: TokenRecord) -> str | None:
        """Insert a token, or update the row of the same user or login, if no other is concerned.

        Returns:
            The row's id, or ``None`` when nothing was done because it is for :meth:`save`.
        """
        if self.codec.encrypts or self._upsert is None or self._upsert_returning is None:
            return None
        connection = session.connection()
        now = datetime.now(UTC)
        row = token if token.id else token.with_id(new_id())
        values = self._values(row) | {"created_at": now, "updated_at": now}
        if connection.dialect.insert_returning:
            saved = connection.execute(self._upsert_returning, values).first()
        elif connection.execute(self._upsert, values).rowcount:
            saved = connection.execute(self._id_by_identity, values).first()
        else:
            return None
        if saved is None:
            return None
        key: str = saved.id
        is_new = saved.created_at == now
        self._audit.note(session, "created" if is_new else "refreshed", values | {"id": key})
        return key

    def save(
        self,
        session: Session,
        tokens: Sequence[TokenRecord],
        event: Event | None = None,
        put: Put = BatchPlan.save,
    ) -> list[str]:
        """Insert or update the rows that any tokens speak of; see :meth:`Batches.save`."""
        return self._batches.save(session, tokens, event, put)

    def remove(self, session: Session, keys: Sequence[str], event: Event) -> None:
        """Delete the rows with these ids, as far as there are any, and note why."""
        condition = self._table.c.id_digest.in_([digest("id", key) for key in keys])
        self._audit.note_stored(session, event, condition)
        session.execute(delete(self._table).where(condition))

    def remove_all(self, session: Session) -> None:
        """Delete every row."""
        self._audit.note_stored(session, "deleted", true())
        session.execute(delete(self._table))

    def _named_by(self, rule: Rule, token: TokenRecord) -> dict[str, Any]:
        """Return what the lookup by a rule needs to know."""
        # No variable holds a value: whatever shows a traceback's local variables would show it.
        digests = {
            f"digest_{number}": digest(rule.field, getattr(token, rule.field))
            for number, digest in enumerate(self.codec.digests(rule.field))
        }
        return digests | self._retention.parameters()

    def _values(self, row: TokenRecord) -> dict[str, Any]:
        return self.codec.values(row, self.codec.digest)

    def _records(self, rows: Iterable[Sequence[Any]]) -> list[TokenRecord]:
        return [self.codec.record(row) for row in rows]


def _is_one_of(column: Column[Any], number: int) -> ColumnElement[bool]:
    return or_(*(column == bindparam(f"digest_{n}") for n in range(number)))
