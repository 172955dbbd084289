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
    and_,
    bindparam,
    func,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DecryptionError,
    IdConflictError,
    TokenStoreError,
)
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, row_digests
from zoho_tokenstore.tokens.record import SECRET_FIELDS

if TYPE_CHECKING:
    from zoho_tokenstore.encryption.codec import EncryptedCodec

__all__ = ["READABLE", "KeyRotation", "RotationReport", "count_keys"]

PAGE_SIZE: Final = 400
"""Rows per transaction: a few milliseconds for other writers to wait."""

ATTEMPTS: Final = 20
"""Times that a row is read again when other workers keep changing it."""

READABLE: Final = ""
"""The key id under which :func:`count_keys` counts readable rows."""

SECRET_DIGESTS: Final = tuple(DIGEST_COLUMNS[name] for name in SECRET_FIELDS[1:])
DIGESTS: Final = (*SECRET_DIGESTS, "identity_digest")
SEEN: Final = (*SECRET_DIGESTS, "updated_at")
"""Columns that differ after any change of a token: another token has another digest."""

NEW: Final = ("key_id", "sealed", *DIGESTS)
"""Columns that a rotation changes, beside the secrets that are readable no longer."""


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
        new = {f"new_{name}": self.values[name] for name in NEW}
        seen = {f"seen_{name}": value for name, value in self.seen.items()}
        return new | seen | {"row_digest": self.row_digest}


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
        names = (*codec.columns, "id_digest", *DIGESTS, "updated_at")
        self._rows = select(*(table.c[name] for name in names))
        self._again = self._rows.where(
            table.c.id_digest.in_(bindparam("row_digests", expanding=True))
        )
        unchanged = (_same(table.c[name], f"seen_{name}") for name in SEEN)
        self._update = (
            update(table)
            .where(table.c.id_digest == bindparam("row_digest"), *unchanged)
            .values(
                {name: bindparam(f"new_{name}") for name in NEW}
                | dict.fromkeys(SECRET_FIELDS, null())
            )
        )

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
        first = self._rows.where(condition).order_by(key).limit(PAGE_SIZE)
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
        codec, stored = self._codec, row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        record = codec.decode_row(row[: len(codec.columns)])
        if stored["key_id"] == codec.cipher.first_id:
            digests = row_digests(record, codec.digest)
            if all(stored[name] == digests[name] for name in DIGESTS):
                return None
        values = codec.encode_record(record, codec.digest)
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
        self._lock_rows_only(session)
        self._keys.check_save(session)
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


def _keys_of(stale: list[StaleRow]) -> dict[str, list[str]]:
    return {"row_digests": [one.row_digest for one in stale]}


def _execute(
    session: Session, query: Select[Any], parameters: dict[str, Any]
) -> Sequence[Row[Any]]:
    return session.execute(query, parameters).all()


def _same(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    value = bindparam(name, type_=column.type)
    return or_(column == value, and_(column.is_(None), value.is_(None)))
