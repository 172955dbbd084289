"""Rotation of keys: what the first key has not encrypted is read and encrypted with it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, and_, bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from zoho_tokenstore.database import Database
from zoho_tokenstore.encryption import key_id_of
from zoho_tokenstore.errors import (
    DatabaseBusyError,
    DecryptionError,
    IdConflictError,
    TokenStoreError,
)
from zoho_tokenstore.keys import KeyRepository
from zoho_tokenstore.models import key_table
from zoho_tokenstore.token import SECRET_FIELDS
from zoho_tokenstore.vault import SECRET_DIGESTS, EncryptedVault

__all__ = ["READABLE", "Rotation", "Rotator", "count_keys"]

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
class Rotation:
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


class Rotator:
    """Rotates the keys of one table, while others use it.

    Args:
        database: Where the table is.
        table: The token table.
        vault: Opened with the new key first, and the old ones behind it.
    """

    def __init__(self, database: Database, table: Table, vault: EncryptedVault) -> None:
        """Build the statements."""
        self._database = database
        self._vault = vault
        self._keys = KeyRepository(key_table(table))
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
    ) -> Rotation:
        """Go through the table once, in the order of its keys; it can be ended and run again.

        Args:
            dry_run: Count only.
            on_rows: Told of every so many rows.

        Raises:
            DatabaseError: The database failed; what was rotated before stays so.
        """
        rotation = Rotation()
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

    def _stale(self, rows: Sequence[Row[Any]], rotation: Rotation) -> list[dict[str, Any]]:
        """Return the parameters of the updates that rows need."""
        stale = []
        for row in rows:
            try:
                changes = self._changes(row)
            except DecryptionError as error:
                rotation.failed.append(error)
                continue
            if changes is None:
                rotation.current += 1
            else:
                stale.append(changes)
        return stale

    def _changes(self, row: Row[Any]) -> dict[str, Any] | None:
        """Return the parameters of a row's update, ``None`` if it is current."""
        stored = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        record = self._vault.record([stored[name] for name in self._vault.columns])
        values = self._vault.values(record, self._vault.digest)
        current = all(
            stored[name] is None or self._vault.cipher.is_current(stored[name])
            for name in SECRET_FIELDS
        )
        if current and all(stored[name] == values[name] for name in DIGESTS):
            return None
        new = {f"new_{name}": values[name] for name in (*SECRET_FIELDS, *DIGESTS)}
        seen = {f"seen_{name}": stored[name] for name in SEEN}
        return new | seen | {"row_digest": stored["id_digest"], "id": record.id}

    def _rotate(self, stale: list[dict[str, Any]], rotation: Rotation) -> None:
        """Write the updates; what has been changed meanwhile is read and worked out again."""
        for _ in range(ATTEMPTS):
            if not stale:
                return
            try:
                written = self._database.write(partial(self._write, stale=stale))
            except IdConflictError as error:
                if len(stale) == 1:
                    rotation.failed.append(error)
                for changes in stale if len(stale) > 1 else ():
                    self._rotate([changes], rotation)
                return
            if written == len(stale):
                rotation.rotated += written
                return
            meanwhile = Rotation()
            stale = self._stale(self._read_again(stale), meanwhile)
            rotation.rotated += meanwhile.current
            rotation.failed += meanwhile.failed
        rotation.failed += [
            DatabaseBusyError(f"token {changes['id']!r} is changed all the time: run it again")
            for changes in stale
        ]

    def _write(self, session: Session, stale: list[dict[str, Any]]) -> int:
        """Write the updates; return how many of the rows were still as they had been read."""
        try:
            return session.connection().execute(self._update, stale).rowcount
        except IntegrityError as error:
            raise IdConflictError(
                f"token {stale[0]['id']!r} is the same login as another one: delete one of them",
                stale[0]["id"],
            ) from error

    def _read_again(self, stale: list[dict[str, Any]]) -> Sequence[Row[Any]]:
        keys = {"row_digests": [changes["row_digest"] for changes in stale]}
        return self._database.autocommit(lambda session: session.execute(self._again, keys).all())

    def _forget_unused(self) -> tuple[str, ...]:
        """Remove the keys that nothing is encrypted with, except the first."""
        used = {*count_keys(self._database, self._table), self._vault.cipher.first_id}

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
    page = database.autocommit(lambda session: session.execute(first).all())
    while page:
        yield page
        after = {"after": page[-1].id_digest}
        page = database.autocommit(lambda session: session.execute(following, after).all())  # noqa: B023 - called at once


def _same(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    value = bindparam(name, type_=column.type)
    return or_(column == value, and_(column.is_(None), value.is_(None)))
