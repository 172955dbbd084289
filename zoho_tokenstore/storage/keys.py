"""The keys that a table knows: each wraps the table's index key, and so can be told from others."""

from datetime import UTC, datetime

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.cipher import BlindIndex, IndexKeys
from zoho_tokenstore.encryption.codec import EncryptedCodec, ReadableCodec, RowCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import MissingKeyError
from zoho_tokenstore.schema.models import key_table

__all__ = ["KeyTable", "open_codec", "open_encrypted_codec"]


class KeyTable:
    """All SQL of one key table, in a session that the caller opened.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.key_table`.
    """

    def __init__(self, table: Table) -> None:
        """Keep the table."""
        self._table = table

    def read(self, session: Session) -> dict[str, str]:
        """Return the wrapped index key of every key, by its id."""
        columns = self._table.c
        rows = session.execute(select(columns.key_id, columns.index_key).order_by(columns.key_id))
        return {row.key_id: row.index_key for row in rows}

    def add(self, session: Session, key_id: str, wrapped: str) -> None:
        """Add a key."""
        values = {"key_id": key_id, "index_key": wrapped, "created_at": datetime.now(UTC)}
        session.execute(insert(self._table), values)

    def forget(self, session: Session, key_id: str) -> None:
        """Remove a key."""
        session.execute(delete(self._table).where(self._table.c.key_id == key_id))


def open_codec(
    database: Database, tokens: Table, keyring: Keyring | None, *, to_write: bool = True
) -> RowCodec:
    """Open a token table with a keyring, or without one to keep secrets readable.

    Args:
        database: Where the table is.
        tokens: The token table.
        keyring: The keys at hand.
        to_write: Whether the first key may be added to those of the table, which encrypts whatever
            is saved from then on; else the codec is only for reading all rows.

    Raises:
        MissingKeyError: The table is encrypted, and the keyring lacks a key, or has another one
            of the same id.
        DatabaseError: The database failed.
    """
    if keyring is not None:
        return open_encrypted_codec(database, tokens, keyring, to_write=to_write)
    known = tuple(database.read(KeyTable(key_table(tokens)).read))
    if known:
        raise MissingKeyError(
            "the table is encrypted: pass keyring=Keyring.from_text(…) or set "
            f"ZOHO_TOKENSTORE_KEYS; it needs the keys {', '.join(known)}",
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
    """Open a token table with a keyring; make its index key, if it has none yet.

    Args:
        database: Where the table is.
        tokens: The token table.
        keyring: The keys at hand.
        all_keys: Whether it must have every key that the table knows; one will do otherwise.
        to_write: As for :func:`open_codec`.

    Raises:
        MissingKeyError: As from :func:`open_codec`.
        DatabaseError: The database failed.
    """
    keys = KeyTable(key_table(tokens))
    index_keys = IndexKeys(keyring, tokens.name)

    def register(session: Session) -> bytes:
        known = keys.read(session)  # again: another worker may have been faster
        index_key = index_keys.unwrap(known, all_keys=all_keys) or BlindIndex.new_key()
        if keyring.first.id not in known:
            keys.add(session, keyring.first.id, index_keys.wrap(index_key))
        return index_key

    known = database.read(keys.read)
    index_key = index_keys.unwrap(known, all_keys=all_keys)
    if to_write and (index_key is None or keyring.first.id not in known):
        index_key = database.write(register)
    index_key = index_key or BlindIndex.new_key()  # of a table without keys, not to be written to
    return EncryptedCodec(keyring, tokens.name, BlindIndex(index_key))
