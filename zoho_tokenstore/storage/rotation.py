"""Rotation of keys: what the first key has not encrypted is read and encrypted with it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, and_, bindparam, or_, select, update
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
from zoho_tokenstore.schema.models import key_table
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.tokens.record import SECRET_FIELDS

__all__ = ["READABLE", "KeyRotation", "RotationReport", "count_keys"]

PAGE_SIZE: Final = 400
"""Rows per transaction: a few milliseconds, for which nobody waits."""

ATTEMPTS: Final = 20
"""Times that a row is read again when somebody changes it meanwhile."""

READABLE: Final = ""
"""What :func:`count_keys` counts readable rows under."""

DIGESTS: Final = (*SECRET_DIGESTS.values(), "identity_digest")
SEEN: Final = (*SECRET_DIGESTS.values(), "updated_at")
"""What is different after any change of a token: another token has another digest."""


@dataclass(slots=True)
class RotationReport:
    """How a rotation went, in rows.

    Attributes:
        rotated: Encrypted anew; in a dry run, what would be.
        current: Encrypted with the first key already.
        failed: Why each of the others could not be.
        forgotten: Ids of keys that nothing is encrypted with any more.
    """

    rotated: int = 0
    current: int = 0
    failed: list[TokenStoreError] = field(default_factory=list)
    forgotten: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stale:
    """A row that the first key has not encrypted yet.

    Attributes:
        seen: What was found there, of the columns that tell whether it has been changed since.
        values: What shall be there.
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
    """Rotates the keys of one table, while others use it.

    Args:
        database: Where the table is.
        table: The token table.
        codec: Opened with the new key first, and the old ones behind it.
        audit: Is told what is rotated.
    """

    def __init__(
        self, database: Database, table: Table, codec: EncryptedCodec, audit: AuditLog
    ) -> None:
        """Build the statements."""
        self._audit = audit
        self._database = database
        self._codec = codec
        self._keys = KeyTable(key_table(table))
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

    def run(
        self, *, dry_run: bool = False, on_rows: Callable[[int], None] = lambda _: None
    ) -> RotationReport:
        """Go through the table once, in the order of its keys; it can be ended and run again.

        Args:
            dry_run: Count only.
            on_rows: Told of every so many rows.

        Raises:
            DatabaseError: The database failed; what was rotated before stays so.
        """
        rotation = RotationReport()
        for page in _pages(self._database, self._table):
            stale = self._stale(page, rotation)
            if dry_run:
                rotation.rotated += len(stale)
            else:
                self._rotate(stale, rotation)
            on_rows(len(page))
        if not dry_run and not rotation.failed:
            rotation.forgotten = self._forget_unused()
        return rotation

    def _stale(self, rows: Sequence[Row[Any]], rotation: RotationReport) -> list[Stale]:
        """Return the rows that have to be rotated."""
        stale = []
        for row in rows:
            try:
                found = self._examine(row)
            except DecryptionError as error:
                rotation.failed.append(error)
                continue
            if found is None:
                rotation.current += 1
            else:
                stale.append(found)
        return stale

    def _examine(self, row: Row[Any]) -> Stale | None:
        """Return what a row has to become, ``None`` if it is current."""
        stored = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        record = self._codec.record([stored[name] for name in self._codec.columns])
        values = self._codec.values(record, self._codec.digest)
        current = all(
            stored[name] is None or self._codec.cipher.is_current(stored[name])
            for name in SECRET_FIELDS
        )
        if current and all(stored[name] == values[name] for name in DIGESTS):
            return None
        return Stale({name: stored[name] for name in SEEN}, values)

    def _rotate(self, stale: list[Stale], rotation: RotationReport) -> None:
        """Write the updates; what has been changed meanwhile is read and worked out again."""
        for _ in range(ATTEMPTS):
            if not stale:
                return
            try:
                written = self._database.write(partial(self._write, stale=stale))
            except IdConflictError as error:
                if len(stale) == 1:
                    rotation.failed.append(error)
                for one in stale if len(stale) > 1 else ():
                    self._rotate([one], rotation)
                return
            if written == len(stale):
                rotation.rotated += written
                return
            meanwhile = RotationReport()
            again = self._database.read(partial(self._read_again, stale=stale))
            stale = self._stale(again, meanwhile)
            rotation.rotated += meanwhile.current
            rotation.failed += meanwhile.failed
        rotation.failed += [
            DatabaseBusyError(f"token {one.values['id']!r} is changed all the time: run it again")
            for one in stale
        ]

    def _write(self, session: Session, stale: list[Stale]) -> int:
        """Write the updates; return how many of the rows were still as they had been read."""
        now = {row.id_digest: row._mapping for row in self._read_again(session, stale)}  # noqa: SLF001 - as above
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
                f"token {token_id!r} is the same login as another one: delete one of them",
                token_id,
            ) from error
        rotated = self._table.c.id_digest.in_([one.row_digest for one in unchanged])
        self._audit.note_stored(session, "key-rotated", rotated)
        return len(unchanged)

    def _read_again(self, session: Session, stale: list[Stale]) -> Sequence[Row[Any]]:
        keys = {"row_digests": [one.row_digest for one in stale]}
        return session.execute(self._again, keys).all()

    def _forget_unused(self) -> tuple[str, ...]:
        """Remove the keys that nothing is encrypted with, except the first."""
        used = {*count_keys(self._database, self._table), self._codec.cipher.first_id}

        def forget(session: Session) -> tuple[str, ...]:
            unused = tuple(key_id for key_id in self._keys.read(session) if key_id not in used)
            for key_id in unused:
                self._keys.forget(session, key_id)
            return unused

        return self._database.write(forget)


def count_keys(database: Database, table: Table) -> Counter[str]:
    """Count the rows that each key has encrypted something of, and those that are readable."""
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
    page = database.read(lambda session: session.execute(first).all())
    while page:
        yield page
        after = {"after": page[-1].id_digest}
        page = database.read(lambda session: session.execute(following, after).all())  # noqa: B023 - called at once


def _same(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    value = bindparam(name, type_=column.type)
    return or_(column == value, and_(column.is_(None), value.is_(None)))
