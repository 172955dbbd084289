"""The key table: each key of a token table wraps its index key, which also identifies the key."""

from datetime import UTC, datetime

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.cipher import BlindIndex, IndexKeys
from zoho_tokenstore.encryption.codec import EncryptedCodec, ReadableCodec, RowCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import MissingKeyError
from zoho_tokenstore.schema.models import companion_table

__all__ = ["KeyTable", "open_codec", "open_encrypted_codec"]


class KeyTable:
    """The statements of one key table, in a session that the caller opened.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.companion_table`.
    """

    def __init__(self, table: Table) -> None:
        """Build nothing yet."""
        self._table = table

    def read_keys(self, session: Session) -> dict[str, str]:
        """Return the wrapped index key of every key, by its id."""
        columns = self._table.c
        rows = session.execute(select(columns.key_id, columns.index_key).order_by(columns.key_id))
        return {row.key_id: row.index_key for row in rows}

    def add_key(self, session: Session, key_id: str, wrapped: str) -> None:
        """Add a key."""
        values = {"key_id": key_id, "index_key": wrapped, "created_at": datetime.now(UTC)}
        session.execute(insert(self._table), values)

    def delete_key(self, session: Session, key_id: str) -> None:
        """Delete a key."""
        session.execute(delete(self._table).where(self._table.c.key_id == key_id))


def open_codec(
    database: Database, tokens: Table, keyring: Keyring | None, *, to_write: bool = True
) -> RowCodec:
    """Open a token table with a keyring, or with readable secrets without one.

    Args:
        database: The database.
        tokens: The token table.
        keyring: The keys.
        to_write: Whether the first key may be added to those of the table, so that it encrypts all
            rows that are saved from then on; without it the codec can only decode rows.

    Raises:
        MissingKeyError: The table is encrypted, and the keyring lacks a key, or has another one
            of the same id.
        DatabaseError: The database failed.
    """
    if keyring is not None:
        return open_encrypted_codec(database, tokens, keyring, to_write=to_write)
    known = tuple(database.read(KeyTable(companion_table(tokens, "key")).read_keys))
    if known:
        raise MissingKeyError(
            f"the table is encrypted with keys {', '.join(known)}: pass "
            "keyring=Keyring.from_text(…) or set ZOHO_TOKENSTORE_KEYS",
            known,
        )
    return ReadableCodec()


def open_encrypted_codec(
    database: Database,
    tokens: Table,
    keyring: Keyring,
    *,
    all_keys: bool = True,
    to_write: bool = True,
) -> EncryptedCodec:
    """Open a token table with a keyring; make its index key, if it does not have one yet.

    Args:
        database: The database.
        tokens: The token table.
        keyring: The keys.
        all_keys: Whether the keyring must have every key of the table; otherwise one is enough.
        to_write: As for :func:`open_codec`.

    Raises:
        MissingKeyError: As from :func:`open_codec`.
        DatabaseError: The database failed.
    """
    keys = KeyTable(companion_table(tokens, "key"))
    index_keys = IndexKeys(keyring, tokens.name)

    def register(session: Session) -> bytes:
        known = keys.read_keys(session)  # another worker may have been faster
        index_key = index_keys.unwrap(known, all_keys=all_keys) or BlindIndex.new_key()
        if keyring.first.id not in known:
            keys.add_key(session, keyring.first.id, index_keys.wrap(index_key))
        return index_key

    known = database.read(keys.read_keys)
    index_key = index_keys.unwrap(known, all_keys=all_keys)
    if to_write and (index_key is None or keyring.first.id not in known):
        index_key = database.write(register)
    index_key = index_key or BlindIndex.new_key()  # a table without keys that is only read
    return EncryptedCodec(keyring, tokens.name, BlindIndex(index_key))
