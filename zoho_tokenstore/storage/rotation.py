"""Key rotation: rows that the first key has not sealed are opened and sealed with it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    bindparam,
    func,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DecryptionError,
    IdConflictError,
    InvalidTokenError,
    TokenStoreError,
)
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.storage.stale_rows import StaleRow, StaleRows
from zoho_tokenstore.storage.tables import TokenTables

if TYPE_CHECKING:
    from zoho_tokenstore.encryption.codec import EncryptedCodec

__all__ = ["READABLE", "KeyRotation", "RotationReport", "count_keys"]

PAGE_SIZE: Final = 1_000
"""Rows per transaction: some hundredths of a second for other writers to wait."""

ATTEMPTS: Final = 100
"""Times that a row is read again when other workers keep changing it."""

READABLE: Final = ""
"""The key id under which :func:`count_keys` counts readable rows."""


@dataclass(slots=True)
class RotationReport:
    """The outcome of a rotation, in rows.

    Attributes:
        rotated: Sealed again; in a dry run, rows that would be.
        current: Already sealed with the first key.
        failed: Why each of the others could not be rotated.
        forgotten: Ids of keys that no row is sealed with any more, and that seal no more rows.
    """

    rotated: int = 0
    current: int = 0
    failed: list[TokenStoreError] = field(default_factory=list)
    forgotten: tuple[str, ...] = ()


class KeyRotation:
    """Rotates the keys of one table while workers use it.

    Args:
        tables: The tables, with a keyring whose first key seals and whose other keys open rows.

    Raises:
        ConfigurationError: There is no keyring.
        EncryptionError: The keyring does not fit the table.
    """

    def __init__(self, tables: TokenTables) -> None:
        """Build the statements."""
        if tables.keyring is None:
            raise ConfigurationError(
                "encryption keys missing: create one with 'zoho-tokenstore keys generate' and set "
                "ZOHO_TOKENSTORE_KEYS"
            )
        self._audit = tables.audit
        self._database = tables.database
        self._codec = codec = cast("EncryptedCodec", tables.codec)
        self._keys = tables.keys
        self._table = table = tables.table
        self._listed = KeyTable(table)
        self._stale = StaleRows(table, codec, tables.database.backend.text_bytes)

    def rotate_all(
        self, *, dry_run: bool = False, on_rows: Callable[[int], None] = lambda _: None
    ) -> RotationReport:
        """Seal every row with the first key; it can be stopped and run again.

        Args:
            dry_run: Count only.
            on_rows: Called with the number of rows of each page.

        Raises:
            EncryptionError: The first key may not seal.
            DatabaseError: The database failed; what was rotated before stays so.
        """
        rotation = self._rotate(true(), on_rows, dry_run=dry_run)
        if not dry_run:
            rotation.forgotten = tuple(self._forget_unused_keys(rotation))
        return rotation

    def seal_readable(
        self, *, dry_run: bool = False, on_rows: Callable[[int], None] = lambda _: None
    ) -> RotationReport:
        """Seal the rows that are readable, as :meth:`rotate_all` does; leave the others alone."""
        return self._rotate(self._table.c.key_id.is_(None), on_rows, dry_run=dry_run)

    def _rotate(
        self, condition: ColumnElement[bool], on_rows: Callable[[int], None], *, dry_run: bool
    ) -> RotationReport:
        rotation = RotationReport()
        for page in self._pages(condition):
            stale = self._stale_rows(page, rotation)
            if dry_run:
                rotation.rotated += len(stale)
            else:
                self._rotate_rows(stale, rotation)
            on_rows(len(page))
        return rotation

    def _pages(self, condition: ColumnElement[bool]) -> Iterator[Sequence[Row[Any]]]:
        """Yield the rows that fit a condition, in the order of their keys."""
        key = self._table.c.id_digest
        first = self._stale.rows.where(condition).order_by(key).limit(PAGE_SIZE)
        following = first.where(key > bindparam("after"))
        page = self._database.read(_execute, first, {})
        while page:
            yield page
            page = self._database.read(_execute, following, {"after": page[-1].id_digest})

    def _stale_rows(self, rows: Sequence[Row[Any]], rotation: RotationReport) -> list[StaleRow]:
        """Return the rows that have to be rotated."""
        stale = []
        for row in rows:
            try:
                found = self._stale.sealed_anew(row)
            except DecryptionError as error:
                rotation.failed.append(error)
                continue
            except InvalidTokenError as error:
                problem = f"token {row.id!r} is left as it is: {error}"
                rotation.failed.append(InvalidTokenError(problem))
                continue
            if found is None:
                rotation.current += 1
            else:
                stale.append(found)
        return stale

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
            again = self._database.read(self._stale.read_again, stale)
            stale = self._stale_rows(again, changed)
            rotation.rotated += changed.current
            rotation.failed += changed.failed
        rotation.failed += [
            DatabaseBusyError(
                f"token {one.id!r} kept changing during rotation; run the command again"
            )
            for one in stale
        ]

    def _write_rows(self, session: Session, stale: list[StaleRow]) -> int:
        """Write the updates; return how many of the rows were unchanged since they were read."""
        # Serializable until the key is listed: two workers that list the first keys of a table at
        # once have to agree on its index key.
        if self._codec.may_seal:
            self._lock_rows_only(session)
        self._keys.check_save(session)
        written = self._stale.write_rows(session, stale)
        if written:
            rows = self._table.c.id_digest.in_(written)
            self._audit.append_for_rows(session, "key-rotated", rows)
        return len(written)

    def _lock_rows_only(self, session: Session) -> None:
        for statement in self._database.backend.lock_rows_only:
            session.execute(text(statement))

    def _forget_unused_keys(self, rotation: RotationReport) -> Iterator[str]:
        """Take the keys that seal no row out of the key table, except the first; yield their ids.

        Saves under such a key fail from then on. One that had begun before is waited for, and its
        row is rotated as well.
        """
        for key_id in self._database.read(self._listed.read_keys):
            if key_id == self._codec.cipher.first_id or self._seals_rows(key_id):
                continue
            self._database.write(self._forget_key, key_id)
            self._database.write(self._wait_for_writers, key_id)
            late = self._rotate(self._table.c.key_id == key_id, lambda _: None, dry_run=False)
            rotation.rotated += late.rotated
            rotation.failed += late.failed
            yield key_id

    def _seals_rows(self, key_id: str) -> bool:
        return self._database.read(self._listed.seals_rows, key_id)

    def _forget_key(self, session: Session, key_id: str) -> None:
        self._lock_rows_only(session)
        self._listed.delete_key(session, key_id)

    def _wait_for_writers(self, session: Session, key_id: str) -> None:
        """Wait until every statement that saw the key listed has ended."""
        lock = self._database.backend.lock_table
        if lock is not None:
            preparer = session.connection().dialect.identifier_preparer
            session.execute(text(lock.format(preparer.format_table(self._table))))
        self._listed.seals_rows(session, key_id)


def count_keys(database: Database, table: Table) -> Counter[str]:
    """Count the rows that each key has sealed, and those that are readable."""
    query: Select[Any] = select(table.c.key_id, func.count().label("number")).group_by(
        table.c.key_id
    )
    counted = database.read(_execute, query, {})
    return Counter({row.key_id or READABLE: row.number for row in counted})


def _execute(
    session: Session, query: Select[Any], parameters: dict[str, Any]
) -> Sequence[Row[Any]]:
    return session.execute(query, parameters).all()
