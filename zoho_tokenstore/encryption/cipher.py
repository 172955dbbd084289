"""Rows that only the keyring can open, and digests that only the keyring can make.

The secrets of a row are one value, its seal: AES-256-GCM (NIST SP 800-38D) with a random nonce. The
associated data are the table and every other column that is served or decides who is served, so
that a seal is valid in its own row and as long as none of these changes. Each key serves two
purposes, each through a subkey of its own (HKDF-SHA256, RFC 5869). Digests are keyed BLAKE2b (RFC
7693), which takes a third of HMAC-SHA256's time, under an index key. Every key of the table wraps
the index key, so that the digests stay what they are when keys are rotated.
"""

import binascii
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zoho_tokenstore.encryption.keyring import Key, Keyring
from zoho_tokenstore.errors import DecryptionError, MissingKeyError
from zoho_tokenstore.tokens.digests import DIGEST_LENGTH, framed

__all__ = ["BlindIndex", "IndexKeys", "RowCipher", "owner_of"]

FORMAT: Final = "zts2"
"""Part of everything that is derived or encrypted; the number is that of the format."""

NONCE_LENGTH: Final = 12
SEAL_LENGTH: Final = NONCE_LENGTH + 16
"""Bytes that a seal is longer than what it holds, by its nonce and its tag."""

PADDING: Final = b"\xff"
"""Fills up groups of three bytes, which base64 encodes as four characters; not used in UTF-8."""


class RowCipher:
    """Seals and opens the secrets of one table's rows.

    Args:
        keyring: The keys.
        table: The table's name, which becomes part of every seal.

    Attributes:
        first_id: The id of the key that seals.
    """

    def __init__(self, keyring: Keyring, table: str) -> None:
        """Derive the subkey that seals."""
        self._keyring = keyring
        self._place = ascii((FORMAT, table))
        self.first_id: Final = keyring.first.id
        self._first = _subkey(keyring.first, "row")
        self._ciphers = {self.first_id: self._first}

    def seal(self, secrets: str, bound: tuple[Any, ...]) -> str:
        """Encrypt the secrets of a row with the first key.

        Args:
            secrets: The secrets as one text.
            bound: The values of the row that the seal is bound to.
        """
        nonce = token_bytes(NONCE_LENGTH)
        data = secrets.encode()
        data += PADDING * (-(len(data) + SEAL_LENGTH) % 3)
        return _encode(nonce + self._first.encrypt(nonce, data, self._bound(bound)))

    def open(self, key_id: str, sealed: str | None, bound: tuple[Any, ...]) -> str:
        """Decrypt the secrets of a row.

        Args:
            key_id: The key that sealed them.
            sealed: The result of :meth:`seal`.
            bound: The values of the row as they are now, its id and user name first.

        Raises:
            DecryptionError: The keyring lacks the key, or the row is not as it was sealed.
        """
        cipher = self._ciphers.get(key_id) or self._cipher_of(key_id)
        if cipher is None:
            raise DecryptionError(
                f"token {bound[0]!r} is encrypted with key {key_id!r}, which is missing from the "
                "keyring: append it",
                *owner_of(bound),
            )
        try:
            data = _decode(sealed or "")
            opened = cipher.decrypt(data[:NONCE_LENGTH], data[NONCE_LENGTH:], self._bound(bound))
            return opened.rstrip(PADDING).decode()
        except (InvalidTag, ValueError, TypeError):
            # From None: nothing is to be learnt from why it was refused.
            raise DecryptionError(
                f"token {bound[0]!r} cannot be decrypted with key {key_id!r}: the row was changed "
                "by something else than the store, or moved here from another row or table; "
                "delete it and log the user in again",
                *owner_of(bound),
            ) from None

    def _bound(self, values: tuple[Any, ...]) -> bytes:
        # No two tuples of texts and integers have one such text, and it is the fastest to make.
        return (self._place + ascii(values)).encode()

    def _cipher_of(self, key_id: str) -> AESGCM | None:
        key = self._keyring.get(key_id)
        if key is None:
            return None
        self._ciphers[key_id] = cipher = _subkey(key, "row")
        return cipher


class IndexKeys:
    """Wraps a table's index key with keys of a keyring, which also proves that they fit.

    Args:
        keyring: The keys.
        table: The table's name.

    Attributes:
        first_id: The id of the key that wraps.
    """

    def __init__(self, keyring: Keyring, table: str) -> None:
        """Keep both."""
        self._keyring = keyring
        self._table = table
        self.first_id: Final = keyring.first.id

    def new_index_key(self) -> bytes:
        """Return the index key of a table that has none.

        It is derived from the first key: workers agree on it before any of them has saved.
        """
        return _derived(self._keyring.first.secret, f"index key of {self._table}")

    def wrap(self, index_key: bytes) -> str:
        """Encrypt an index key with the first key."""
        key = self._keyring.first
        nonce = token_bytes(NONCE_LENGTH)
        sealed = _subkey(key, "index key").encrypt(nonce, index_key, self._place(key))
        return _encode(nonce + sealed)

    def unwrap(self, known: Mapping[str, str]) -> bytes | None:
        """Return the index key, ``None`` if the table has none yet.

        One key is enough. The first key must be the table's if it has one of this id.

        Args:
            known: What :meth:`wrap` has made, by the ids of the keys.

        Raises:
            MissingKeyError: None of the keys fits, or the first key is another one of the same id.
        """
        found = {key_id: self._unwrapped(key_id, wrapped) for key_id, wrapped in known.items()}
        missing = tuple(key_id for key_id, index_key in found.items() if index_key is None)
        if missing and (self.first_id in missing or len(missing) == len(found)):
            found.clear()  # whatever shows a traceback's local variables would show them
            others = [key_id for key_id in missing if self._keyring.get(key_id)]
            raise MissingKeyError(
                f"the keyring is missing keys used by this table: {', '.join(missing)}"
                + (f" (different key with the same id: {', '.join(others)})" if others else ""),
                missing,
            )
        return next((index_key for index_key in found.values() if index_key), None)

    def _unwrapped(self, key_id: str, wrapped: str) -> bytes | None:
        key = self._keyring.get(key_id)
        if key is None:
            return None
        try:
            sealed = _decode(wrapped)
            cipher = _subkey(key, "index key")
            return cipher.decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], self._place(key))
        except (InvalidTag, ValueError):
            return None

    def _place(self, key: Key) -> bytes:
        return f"{FORMAT}:{self._table}:index key:{key.id}".encode()


class BlindIndex:
    """Keyed digests of secret values, useless without the index key.

    Attributes:
        index_key: The index key.
        own_digest: What identifies the index key, and tells nothing about it.
    """

    def __init__(self, index_key: bytes) -> None:
        """Derive the key of the digests."""
        self.change_key(index_key)

    def change_key(self, index_key: bytes) -> None:
        """Make digests under another index key from now on."""
        self.index_key = index_key
        key = _derived(index_key, "blind index")
        self._keyed = blake2b(key=key, digest_size=DIGEST_LENGTH // 2)
        self.own_digest = self.digest("index key")  # last: who has read it makes such digests

    def digest(self, purpose: str, *values: str) -> str:
        """Return the digest of some values, as :func:`~.tokens.digests.digest` does."""
        keyed = self._keyed.copy()  # in two thirds of the time that a new one takes
        keyed.update(framed(purpose, *values))
        return keyed.hexdigest()


def owner_of(row: Sequence[Any]) -> tuple[tuple[str, ...], str | None]:
    """Return the ids and the user name for the error about a row that begins with them."""
    return (row[0],), row[1]


def _subkey(key: Key, purpose: str) -> AESGCM:
    return AESGCM(_derived(key.secret, purpose))


def _derived(secret: bytes, purpose: str) -> bytes:
    info = f"zoho_tokenstore {FORMAT}:{purpose}".encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _decode(text: str) -> bytes:
    if text.endswith("="):  # bits of the character before it would be ignored
        raise ValueError
    return binascii.a2b_base64(text, strict_mode=True)
