"""Rows that the first key has not sealed yet: found on a page, and written sealed anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, Update, bindparam, null, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from zoho_tokenstore.encryption.codec import EncryptedCodec
from zoho_tokenstore.errors import IdConflictError
from zoho_tokenstore.storage.limits import check_length
from zoho_tokenstore.storage.statements import SEAL
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, row_digests
from zoho_tokenstore.tokens.record import SECRET_FIELDS, TokenRecord

__all__ = ["StaleRow", "StaleRows"]

SECRET_DIGESTS: Final = tuple(DIGEST_COLUMNS[name] for name in SECRET_FIELDS[1:])
DIGESTS: Final = (*SECRET_DIGESTS, "identity_digest")
SEEN: Final = (*SECRET_DIGESTS, "updated_at", "id_digest")
"""Columns that differ after any change of a token: another token has another digest."""


@dataclass(frozen=True, slots=True)
class StaleRow:
    """A row that the first key has not sealed yet.

    Attributes:
        id: The token's id.
        row_digest: The row's key.
        seen: The columns that show whether the row has been changed since, as they were found.
        seal: The columns of the seal after the rotation.
        digests: The digests after the rotation, ``None`` if they stay the same.
    """

    id: str
    row_digest: str
    seen: tuple[Any, ...]
    seal: dict[str, str]
    digests: dict[str, str | None] | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the row's update."""
        new = self.seal | (self.digests or {})
        return {f"new_{name}": value for name, value in new.items()} | {"row": self.row_digest}


class StaleRows:
    """The statements that find and write the stale rows of one token table.

    Args:
        table: The token table.
        codec: Its first key seals, all of its keys open.
        text_bytes: How many bytes of text a column holds, ``None`` for any number.

    Attributes:
        rows: Selects all that has to be known of a row.
    """

    def __init__(self, table: Table, codec: EncryptedCodec, text_bytes: int | None) -> None:
        """Build the statements."""
        self._text_bytes = text_bytes
        self._codec = codec
        # The seen columns are the last ones.
        self.rows = select(*(table.c[name] for name in (*codec.columns, *DIGESTS, *SEEN)))
        self._again = self.rows.where(_is_one_of_rows(table))
        self._seen = select(*(table.c[name] for name in SEEN)).where(_is_one_of_rows(table))
        self._update_seal = _update_of(table, SEAL)
        # What a row has superseded cannot be digested anew, because only its digest is known.
        self._update_all = _update_of(table, (*SEAL, *DIGESTS), ("superseded_digest",))

    def sealed_anew(self, row: Row[Any]) -> StaleRow | None:
        """Return the row as it has to be written, ``None`` if it is current.

        Raises:
            DecryptionError: It cannot be read.
            InvalidTokenError: It would be too long for its column.
        """
        codec, columns = self._codec, len(self._codec.columns)
        record = codec.decode_row(row[:columns])
        digests = row_digests(record, codec.digest)
        changes = {name: digests[name] for name in DIGESTS}
        if tuple(changes.values()) != row[columns : columns + len(DIGESTS)]:
            return self._stale_row(row, record, changes)
        if row.key_id == codec.cipher.first_id:
            return None
        return self._stale_row(row, record, None)

    def _stale_row(
        self, row: Row[Any], record: TokenRecord, digests: dict[str, str | None] | None
    ) -> StaleRow:
        seen, seal = row[-len(SEEN) :], self._codec.seal_record(record)
        check_length(seal, self._text_bytes)
        return StaleRow(row.id, row.id_digest, seen, seal, digests)

    def write_rows(self, session: Session, stale: Sequence[StaleRow]) -> list[str]:
        """Write those rows that are unchanged since they were read; return their keys.

        Raises:
            IdConflictError: One of them has the same login as another row.
        """
        locked = session.execute(self._seen.with_for_update(), _keys_of(stale))
        now = {row.id_digest: tuple(row) for row in locked}
        unchanged = [one for one in stale if now.get(one.row_digest) == one.seen]
        if not unchanged:
            return []
        connection = session.connection()
        sealed = [one.parameters for one in unchanged if one.digests is None]
        moved = [one.parameters for one in unchanged if one.digests is not None]
        try:
            if sealed:
                connection.execute(self._update_seal, sealed)
            if moved:
                connection.execute(self._update_all, moved)
        except IntegrityError as error:
            raise IdConflictError(
                f"token {stale[0].id!r} has the same login as another token: delete one of them",
                stale[0].id,
            ) from error
        return [one.row_digest for one in unchanged]

    def read_again(self, session: Session, stale: Sequence[StaleRow]) -> Sequence[Row[Any]]:
        """Return the rows as they are now."""
        return session.execute(self._again, _keys_of(stale)).all()


def _keys_of(stale: Sequence[StaleRow]) -> dict[str, list[str]]:
    return {"row_digests": [one.row_digest for one in stale]}


def _is_one_of_rows(table: Table) -> ColumnElement[bool]:
    return table.c.id_digest.in_(bindparam("row_digests", expanding=True))


def _update_of(table: Table, names: Sequence[str], dropped: Sequence[str] = ()) -> Update:
    """Build the update of a row that is locked; the secrets are readable no longer."""
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    row = table.c.id_digest == bindparam("row")
    return update(table).where(row).values(new | dict.fromkeys((*SECRET_FIELDS, *dropped), null()))
