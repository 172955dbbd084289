"""Key rotation: rows that the first key has not encrypted are read and encrypted with it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, Table, and_, bindparam, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.cipher import key_id_of
from zoho_tokenstore.encryption.codec import SECRET_DIGESTS, EncryptedCodec
from zoho_tokenstore.errors import (
    DatabaseBusyError,
    DecryptionError,
    IdConflictError,
    TokenStoreError,
)
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.tokens.record import SECRET_FIELDS

__all__ = ["READABLE", "KeyRotation", "RotationReport", "count_keys"]

PAGE_SIZE: Final = 400
"""Rows per transaction: a few milliseconds for other writers to wait."""

ATTEMPTS: Final = 20
"""Times that a row is read again when other workers keep changing it."""

READABLE: Final = ""
"""The key id under which :func:`count_keys` counts readable rows."""

DIGESTS: Final = (*SECRET_DIGESTS.values(), "identity_digest")
SEEN: Final = (*SECRET_DIGESTS.values(), "updated_at")
"""Columns that differ after any change of a token: another token has another digest."""


@dataclass(slots=True)
class RotationReport:
    """The outcome of a rotation, in rows.

    Attributes:
        rotated: Encrypted again; in a dry run, rows that would be.
        current: Already encrypted with the first key.
        failed: Why each of the others could not be rotated.
        forgotten: Ids of keys that no row is encrypted with any more.
    """

    rotated: int = 0
    current: int = 0
    failed: list[TokenStoreError] = field(default_factory=list)
    forgotten: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StaleRow:
    """A row that the first key has not encrypted yet.

    Attributes:
        seen: The columns that show whether the row has been changed since, as they were found.
        values: The columns of the row after the rotation.
    """

    seen: dict[str, Any]
    values: dict[str, Any]

    @property
    def row_digest(self) -> str:
        """The row's key."""
        return str(self.values["id_digest"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the row's update."""
        new = {f"new_{name}": self.values[name] for name in (*SECRET_FIELDS, *DIGESTS)}
        seen = {f"seen_{name}": value for name, value in self.seen.items()}
        return new | seen | {"row_digest": self.row_digest}


class KeyRotation:
    """Rotates the keys of one table while workers use it.

    Args:
        database: The database.
        table: The token table.
        codec: Opened with the new key first, followed by the old ones.
        audit: Audit log for the rotated rows.
    """

    def __init__(
        self, database: Database, table: Table, codec: EncryptedCodec, audit: AuditLog
    ) -> None:
        """Build the statements."""
        self._audit = audit
        self._database = database
        self._codec = codec
        self._keys = KeyTable(companion_table(table, "key"))
        self._table = table
        self._again = select(table).where(
            table.c.id_digest.in_(bindparam("row_digests", expanding=True))
        )
        unchanged = (_same(table.c[name], f"seen_{name}") for name in SEEN)
        self._update = (
            update(table)
            .where(table.c.id_digest == bindparam("row_digest"), *unchanged)
            .values({name: bindparam(f"new_{name}") for name in (*SECRET_FIELDS, *DIGESTS)})
        )

    def rotate_all(
        self, *, dry_run: bool = False, on_rows: Callable[[int], None] = lambda _: None
    ) -> RotationReport:
        """Go through the table once, in the order of its keys; it can be stopped and run again.

        Args:
            dry_run: Count only.
            on_rows: Called with the number of rows of each page.

        Raises:
            DatabaseError: The database failed; what was rotated before stays so.
        """
        rotation = RotationReport()
        for page in _pages(self._database, self._table):
            stale = self._stale_rows(page, rotation)
            if dry_run:
                rotation.rotated += len(stale)
            else:
                self._rotate_rows(stale, rotation)
            on_rows(len(page))
        if not dry_run and not rotation.failed:
            rotation.forgotten = self._delete_unused_keys()
        return rotation

    def _stale_rows(self, rows: Sequence[Row[Any]], rotation: RotationReport) -> list[StaleRow]:
        """Return the rows that have to be rotated."""
        stale = []
        for row in rows:
            try:
                found = self._rotated_row(row)
            except DecryptionError as error:
                rotation.failed.append(error)
                continue
            if found is None:
                rotation.current += 1
            else:
                stale.append(found)
        return stale

    def _rotated_row(self, row: Row[Any]) -> StaleRow | None:
        """Return the row as it has to be written, ``None`` if it is current."""
        stored = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        record = self._codec.decode_row([stored[name] for name in self._codec.columns])
        values = self._codec.encode_record(record, self._codec.digest)
        current = all(
            stored[name] is None or self._codec.cipher.is_current(stored[name])
            for name in SECRET_FIELDS
        )
        if current and all(stored[name] == values[name] for name in DIGESTS):
            return None
        return StaleRow({name: stored[name] for name in SEEN}, values)

    def _rotate_rows(self, stale: list[StaleRow], rotation: RotationReport) -> None:
        """Write the updates; rows changed concurrently are read and encrypted again."""
        for _ in range(ATTEMPTS):
            if not stale:
                return
            try:
                written = self._database.write(self._write_rows, stale)
            except IdConflictError as error:
                if len(stale) == 1:
                    rotation.failed.append(error)
                for one in stale if len(stale) > 1 else ():
                    self._rotate_rows([one], rotation)
                return
            if written == len(stale):
                rotation.rotated += written
                return
            changed = RotationReport()
            again = self._database.read(self._read_again, stale)
            stale = self._stale_rows(again, changed)
            rotation.rotated += changed.current
            rotation.failed += changed.failed
        rotation.failed += [
            DatabaseBusyError(
                f"token {one.values['id']!r} kept changing during rotation; run the command again"
            )
            for one in stale
        ]

    def _write_rows(self, session: Session, stale: list[StaleRow]) -> int:
        """Write the updates; return how many of the rows were unchanged since they were read."""
        for statement in self._database.backend.lock_rows_only:
            session.execute(text(statement))
        locked = session.execute(self._again.with_for_update(), _keys_of(stale))
        now = {row.id_digest: row._mapping for row in locked}  # noqa: SLF001 - as above
        unchanged = [
            one
            for one in stale
            if one.row_digest in now
            and all(now[one.row_digest][name] == value for name, value in one.seen.items())
        ]
        if not unchanged:
            return 0
        try:
            session.connection().execute(self._update, [one.parameters for one in unchanged])
        except IntegrityError as error:
            token_id = stale[0].values["id"]
            raise IdConflictError(
                f"token {token_id!r} has the same login as another token: delete one of them",
                token_id,
            ) from error
        rotated = self._table.c.id_digest.in_([one.row_digest for one in unchanged])
        self._audit.append_for_rows(session, "key-rotated", rotated)
        return len(unchanged)

    def _read_again(self, session: Session, stale: list[StaleRow]) -> Sequence[Row[Any]]:
        return session.execute(self._again, _keys_of(stale)).all()

    def _delete_unused_keys(self) -> tuple[str, ...]:
        """Delete the keys that no row is encrypted with, except the first."""
        used = {*count_keys(self._database, self._table), self._codec.cipher.first_id}

        def delete_keys(session: Session) -> tuple[str, ...]:
            unused = tuple(key_id for key_id in self._keys.read_keys(session) if key_id not in used)
            for key_id in unused:
                self._keys.delete_key(session, key_id)
            return unused

        return self._database.write(delete_keys)


def count_keys(database: Database, table: Table) -> Counter[str]:
    """Count the rows that each key has encrypted, and those that are readable."""
    rows: Counter[str] = Counter()
    for page in _pages(database, table):
        for row in page:
            secrets = (getattr(row, name) for name in SECRET_FIELDS)
            rows.update({key_id_of(value) or READABLE for value in secrets if value is not None})
    return rows


def _pages(database: Database, table: Table) -> Iterator[Sequence[Row[Any]]]:
    """Yield all rows, in the order of their keys."""
    key = table.c.id_digest
    first = select(table).order_by(key).limit(PAGE_SIZE)
    following = first.where(key > bindparam("after"))
    page = database.read(_execute, first, {})
    while page:
        yield page
        page = database.read(_execute, following, {"after": page[-1].id_digest})


def _keys_of(stale: list[StaleRow]) -> dict[str, list[str]]:
    return {"row_digests": [one.row_digest for one in stale]}


def _execute(
    session: Session, query: Select[Any], parameters: dict[str, Any]
) -> Sequence[Row[Any]]:
    return session.execute(query, parameters).all()


def _same(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    value = bindparam(name, type_=column.type)
    return or_(column == value, and_(column.is_(None), value.is_(None)))
