"""The key table: the keys that rows may be encrypted with, each of which wraps the index key."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, Table, bindparam, delete, exists, insert, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.sessions import call_after_commit
from zoho_tokenstore.encryption.cipher import BlindIndex, IndexKeys, RowCipher
from zoho_tokenstore.encryption.codec import EncryptedCodec, ReadableCodec, RowCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import (
    ConfigurationError,
    IndexKeyError,
    MissingKeyError,
    RetiredKeyError,
)
from zoho_tokenstore.schema.models import companion_table

__all__ = ["KeyTable", "TableKeys", "may_save"]


class KeyTable:
    """The statements of the key table of a token table, in a session that the caller opened.

    Args:
        tokens: A table made by :func:`zoho_tokenstore.schema.models.token_table`.
    """

    def __init__(self, tokens: Table) -> None:
        """Build nothing yet."""
        self._tokens = tokens
        self._table = companion_table(tokens, "key")

    @property
    def name(self) -> str:
        """The name of the key table."""
        return self._table.name

    def read_keys(self, session: Session) -> dict[str, str]:
        """Return the wrapped index key of every key, by its id."""
        columns = self._table.c
        rows = session.execute(select(columns.key_id, columns.index_key).order_by(columns.key_id))
        return {row.key_id: row.index_key for row in rows}

    def add_key(self, session: Session, key_id: str, wrapped: str, index_digest: str) -> None:
        """Add a key."""
        values = {"key_id": key_id, "index_key": wrapped, "index_digest": index_digest}
        session.execute(insert(self._table), values | {"created_at": datetime.now(UTC)})

    def delete_key(self, session: Session, key_id: str) -> None:
        """Delete a key."""
        session.execute(delete(self._table).where(self._table.c.key_id == key_id))

    def forget_key(self, session: Session, key_id: str) -> None:
        """Delete a key that seals no row.

        Raises:
            ConfigurationError: The table does not list it, or it seals rows.
        """
        if key_id not in self.read_keys(session):
            raise ConfigurationError(f"the table has no key {key_id!r}: run 'keys status'")
        if self.seals_rows(session, key_id):
            raise ConfigurationError(
                f"key {key_id!r} encrypts tokens: run 'zoho-tokenstore keys rotate' first"
            )
        self.delete_key(session, key_id)

    def seals_rows(self, session: Session, key_id: str | None = None) -> bool:
        """Return whether any row is encrypted, with one key or with any."""
        column = self._tokens.c.key_id
        sealed = column.is_not(None) if key_id is None else column == key_id
        return (
            session.execute(select(self._tokens.c.id_digest).where(sealed).limit(1)).first()
            is not None
        )


def may_save(tokens: Table, *, sealed: bool) -> ColumnElement[bool]:
    """Build the condition under which a statement may save rows.

    Readable ones, as long as the table has no keys; sealed ones, as long as it lists
    ``sealing_key`` with the index key that ``index_digest`` identifies.
    """
    keys = companion_table(tokens, "key").c
    if not sealed:
        return ~exists(select(keys.key_id))
    return exists(
        select(keys.key_id).where(
            keys.key_id == bindparam("sealing_key"), keys.index_digest == bindparam("index_digest")
        )
    )


class TableKeys:
    """A keyring on one token table: makes its codec, and keeps that in step with the key table.

    Args:
        tokens: The token table.
        keyring: The keys, ``None`` for readable secrets.
        accept_readable: Whether rows that are not encrypted are served.

    Attributes:
        codec: The table's codec; its digests are valid after :meth:`check_open`.
    """

    def __init__(self, tokens: Table, keyring: Keyring | None, *, accept_readable: bool) -> None:
        """Open nothing yet."""
        self.codec: RowCodec = ReadableCodec()
        self._keys: Final = KeyTable(tokens)
        self._codec: EncryptedCodec | None = None
        self._was_listed = False
        if keyring is not None:
            self._index_keys = IndexKeys(keyring, tokens.name)
            self.codec = self._codec = EncryptedCodec(
                RowCipher(keyring, tokens.name),
                BlindIndex(self._index_keys.new_index_key()),
                accept_readable=accept_readable,
            )

    @property
    def index_digest(self) -> str | None:
        """What identifies the index key that digests are made with, ``None`` without a keyring."""
        return None if self._codec is None else self._codec.index.own_digest

    def check_open(self, session: Session) -> None:
        """Learn the table's keys, which are only read for it.

        Raises:
            MissingKeyError: The table has keys, and the keyring none that fits, or another one of
                the first key's id.
            IndexKeyError: The table has encrypted rows and no keys.
        """
        known = self._known_keys(session)
        if self._codec is not None:
            self._learn(self._codec, known)
        elif known:
            self._refuse_readable(known)

    def check_save(self, session: Session) -> None:
        """Check that rows may be saved with the codec; add its key with the first of them.

        Args:
            session: The transaction in which they are saved.

        Raises:
            EncryptionError: They may not; as from :meth:`check_open`, or the key was rotated out.
        """
        known = self._known_keys(session)
        codec = self._codec
        if codec is None:
            if known:
                self._refuse_readable(known)
            return
        key_id = codec.cipher.first_id
        if self._was_listed and key_id not in known:
            codec.may_seal = False
            raise RetiredKeyError(
                f"key {key_id!r} was rotated out and encrypts nothing any more: restart this "
                "process with the current keys"
            )
        self._learn(codec, known)
        if not codec.may_seal:
            self._add_first_key(session, codec)

    def _add_first_key(self, session: Session, codec: EncryptedCodec) -> None:
        wrapped = self._index_keys.wrap(codec.index.index_key)
        self._keys.add_key(session, codec.cipher.first_id, wrapped, codec.index.own_digest)

        def remember() -> None:
            codec.may_seal = self._was_listed = True

        call_after_commit(session, remember)

    def replace_index_key(self, session: Session) -> bool:
        """Give a table whose keys are gone a new index key; return whether that was necessary.

        Until they are rotated, encrypted rows cannot be found by their tokens.
        """
        if self._codec is None or self._keys.read_keys(session):
            return False
        if not self._keys.seals_rows(session):
            return False
        self._add_first_key(session, self._codec)
        return True

    def _known_keys(self, session: Session) -> dict[str, str]:
        known = self._keys.read_keys(session)
        if known or not self._keys.seals_rows(session):
            return known
        # The first encrypted row may have come, with its key, between the two statements.
        known = self._keys.read_keys(session)
        if not known:
            raise IndexKeyError(
                f"table {self._keys.name!r} is empty, but there are encrypted tokens: restore it "
                "from a backup, or run 'zoho-tokenstore keys rotate' with all keys, which makes a "
                "new index key and encrypts every token again"
            )
        return known

    def _learn(self, codec: EncryptedCodec, known: dict[str, str]) -> None:
        index_key = self._index_keys.unwrap(known)
        codec.may_seal = codec.cipher.first_id in known
        self._was_listed = self._was_listed or codec.may_seal
        if index_key is not None and index_key != codec.index.index_key:
            codec.index.change_key(index_key)

    def _refuse_readable(self, known: dict[str, str]) -> None:
        raise MissingKeyError(
            f"the table is encrypted with keys {', '.join(known)}: pass "
            "keyring=Keyring.from_text(…) or set ZOHO_TOKENSTORE_KEYS",
            tuple(known),
        )
