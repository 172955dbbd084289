"""All SQL of tokens: parameterised, in a session that the caller opened."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.changes import Changes, new_id
from zoho_tokenstore.digests import DIGEST_COLUMNS, Digest, digest
from zoho_tokenstore.matching import find_one, rule_of
from zoho_tokenstore.models import key_table
from zoho_tokenstore.statements import (
    PACKING,
    REFRESHED,
    keeping_update,
    one_of,
    packed,
    refreshing_update,
    upsert,
)
from zoho_tokenstore.token import TokenRecord
from zoho_tokenstore.vault import Vault

__all__ = ["BATCH_SIZE", "TokenRepository"]

BATCH_SIZE: Final = 4_000
"""Tokens per transaction: few enough to wait for, so many that the commit does not matter."""

PAGE_SIZE: Final = 400
"""Rows per statement: looked up by five digests each, still below SQL Server's 2,100 parameters."""


class TokenRepository:
    """The statements of one token table.

    Args:
        table: A table made by :func:`zoho_tokenstore.models.token_table`.
        backend: SQLAlchemy's name of the database.
        vault: Makes column values of records, and records of rows.

    Attributes:
        vault: As given.
    """

    def __init__(self, table: Table, backend: str, vault: Vault) -> None:
        """Build the statements once; SQLAlchemy compiles each once per dialect."""
        self._table = table
        self.vault = vault
        # Columns instead of entities: loading an entity costs more than the query itself.
        self._select = select(*(table.c[name] for name in vault.columns))
        self._packs = backend in PACKING
        one = select(packed(table, vault.columns)) if self._packs else self._select
        self._find: dict[str, Select[Any]] = {
            field: one.where(_is_one_of(table.c[column], len(vault.digests(field))))
            for field, column in DIGEST_COLUMNS.items()
        }
        key = table.c.id_digest
        self._first_page = self._select.order_by(key).limit(PAGE_SIZE)
        self._next_page = self._first_page.where(key > bindparam("after"))
        self._related = self._select.where(
            or_(*(one_of(table.c[name], backend) for name in DIGEST_COLUMNS.values()))
        )
        self._refresh = refreshing_update(table, key_table(table))
        self._upsert = upsert(table, key_table(table), backend)
        self._upsert_returning = (
            None if self._upsert is None else self._upsert.returning(table.c.id)
        )
        self._id_by_identity = select(table.c.id).where(
            table.c.identity_digest == bindparam("identity_digest")
        )
        self._insert = insert(table)
        self._update = keeping_update(table)
        self._delete_row = delete(table).where(key == bindparam("row_digest"))
        self._vacate = (
            update(table)
            .where(key == bindparam("row_digest"))
            .values(identity_digest=bindparam("vacated"))
        )

    def find(self, session: Session, token: TokenRecord) -> TokenRecord | None:
        """Return the row that the token speaks of, by the first rule that applies.

        Raises:
            AmbiguousTokenError: More than one row fits.
        """
        rule = rule_of(token)
        if rule is None:
            return None
        # No variable holds a value: whatever shows a traceback's local variables would show it.
        parameters = {
            f"digest_{number}": digest(rule.field, getattr(token, rule.field))
            for number, digest in enumerate(self.vault.digests(rule.field))
        }
        # Without the session's own execute(): looking for entities is a tenth of a lookup.
        rows = session.connection().execute(self._find[rule.field], parameters).all()
        return find_one(
            rule, token, self._records([row[0] for row in rows] if self._packs else rows)
        )

    def page(self, session: Session, after: str | None) -> Sequence[Row[Any]]:
        """Return the next rows in the order of their keys, :data:`PAGE_SIZE` at most.

        What they hold is for :meth:`Vault.record` to tell.

        Args:
            session: Where to read.
            after: The id of the last row seen, ``None`` to begin.
        """
        if after is None:
            return session.execute(self._first_page).all()
        return session.execute(self._next_page, {"after": digest("id", after)}).all()

    def refresh(self, session: Session, token: TokenRecord) -> str | None:
        """Update a token that was read from here and has been refreshed since.

        Its user, client, grant and refresh token are as they were, so whom it belongs to is no
        question, and no other row can be concerned. What is encrypted is never changed unread.

        Returns:
            The row's id, or ``None`` when nothing was done because it is another case.
        """
        if self.vault.encrypts or not (token.id and token.user_name):
            return None
        values = self._values(token) | {"updated_at": datetime.now(UTC)}
        names = (*REFRESHED, "id_digest", "identity_digest", "grant_digest", "refresh_digest")
        parameters = {f"new_{name}": values[name] for name in names}
        updated = session.connection().execute(self._refresh, parameters)
        return token.id if updated.rowcount else None

    def upsert(self, session: Session, token: TokenRecord) -> str | None:
        """Insert a token, or update the row of the same user or login, if no other is concerned.

        Returns:
            The row's id, or ``None`` when nothing was done because it is for :meth:`save`.
        """
        if self.vault.encrypts or self._upsert is None or self._upsert_returning is None:
            return None
        connection = session.connection()
        now = datetime.now(UTC)
        row = token if token.id else token.with_id(new_id())
        values = self._values(row) | {"created_at": now, "updated_at": now}
        if connection.dialect.insert_returning:
            saved = connection.execute(self._upsert_returning, values)
        elif connection.execute(self._upsert, values).rowcount:
            saved = connection.execute(self._id_by_identity, values)
        else:
            return None
        key: str | None = saved.scalar()
        return key

    def save(self, session: Session, tokens: Sequence[TokenRecord]) -> list[str]:
        """Insert or update the rows that the tokens speak of; return their ids, in order.

        Args:
            session: Where to write; the caller commits.
            tokens: At most :data:`BATCH_SIZE` tokens.

        Raises:
            AmbiguousTokenError: More than one row fits a token.
            IdConflictError: A token's id belongs to another row.
            EncryptionError: One of the rows concerned cannot be read.
        """
        ids: list[str] = []
        for start in range(0, len(tokens), PAGE_SIZE):
            page = tokens[start : start + PAGE_SIZE]
            digest_once = cache(self.vault.digest)
            changes = Changes(self._find_related(session, page, digest_once))
            for token in page:
                changes.save(token)
            self._write(session, changes, digest_once)
            ids += changes.ids
        return ids

    def delete(self, session: Session, key: str) -> None:
        """Delete the row with this id, if there is one."""
        self._delete(session, [key])

    def delete_all(self, session: Session) -> None:
        """Delete every row."""
        session.execute(delete(self._table))

    def _find_related(
        self, session: Session, tokens: Sequence[TokenRecord], digest: Digest
    ) -> list[TokenRecord]:
        """Return the rows that share an id, a user name or a token with one of these."""
        digests: dict[str, list[str]] = {}
        for field, column in DIGEST_COLUMNS.items():
            makers = (digest, *self.vault.digests(field)[1:])
            digests[column] = [
                make(field, value)
                for value in {getattr(token, field) for token in tokens} - {None}
                for make in makers
            ]
        return self._records(session.execute(self._related, digests))

    def _write(self, session: Session, changes: Changes, digest: Digest) -> None:
        now = datetime.now(UTC)
        if changes.deleted:
            self._delete(session, changes.deleted)
        moving = changes.moving()
        if len(moving) > 1:
            # One may move to where another still is, so all leave first.
            session.execute(self._vacate, [_vacated(key) for key in moving])
        if changes.updated:
            session.execute(
                self._update,
                [
                    self._new_values(changes.stored[key], row, digest) | {"new_updated_at": now}
                    for key, row in changes.updated.items()
                ],
            )
        if changes.inserted:
            times = {"created_at": now, "updated_at": now}
            session.execute(
                self._insert,
                [self._values(row, digest) | times for row in changes.inserted.values()],
            )

    def _delete(self, session: Session, ids: Iterable[str]) -> None:
        session.execute(self._delete_row, [{"row_digest": digest("id", key)} for key in ids])

    def _new_values(self, stored: TokenRecord, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return the parameters that turn the stored row into the new one.

        What stays as it is may be ``None``; in a table with keys, all is encrypted anew.
        """
        after = self._values(row, digest)
        before = {} if self.vault.encrypts else self._values(stored, digest)
        changed = {
            f"new_{name}": None if name in before and before[name] == value else value
            for name, value in after.items()
        }
        return changed | {
            "row_digest": after["id_digest"],
            "new_identity_digest": after["identity_digest"],
        }

    def _values(self, row: TokenRecord, digest: Digest | None = None) -> dict[str, Any]:
        return self.vault.values(row, digest or self.vault.digest)

    def _records(self, rows: Iterable[Sequence[Any]]) -> list[TokenRecord]:
        return [self.vault.record(row) for row in rows]


def _is_one_of(column: Column[Any], number: int) -> ColumnElement[bool]:
    return or_(*(column == bindparam(f"digest_{n}") for n in range(number)))


def _vacated(key: str) -> dict[str, str]:
    return {"row_digest": digest("id", key), "vacated": digest("vacated", key)}
