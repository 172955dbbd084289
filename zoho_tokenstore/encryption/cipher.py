"""Values that only the keyring can read, and digests that only the keyring can make.

A value is AES-256-GCM (NIST SP 800-38D) with a random nonce. Its associated data is the format, the
table, the column and the row's id, so that it is valid nowhere else. Each key serves two purposes,
each through a subkey of its own (HKDF-SHA256, RFC 5869). Digests are HMAC-SHA256 under an index
key, which every key of the table wraps, so that they stay what they are when keys are rotated.
"""

import binascii
import hmac
from collections.abc import Mapping
from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zoho_tokenstore.encryption.keyring import Key, Keyring
from zoho_tokenstore.errors import DecryptionError, MissingKeyError
from zoho_tokenstore.tokens.digests import framed

__all__ = ["MARK", "BlindIndex", "Cipher", "IndexKeys", "key_id_of"]

MARK: Final = "zts1:"
"""What an encrypted value begins with; the number is that of the format. Behind it stand the key's
id, a colon, and the base64 of nonce, ciphertext and tag."""

NONCE_LENGTH: Final = 12
INDEX_KEY_LENGTH: Final = 32


class Cipher:
    """Encrypts the values of one table.

    Args:
        keyring: The keys.
        table: The table's name, which becomes part of every value.

    Attributes:
        first_id: The id of the key that encrypts.
    """

    def __init__(self, keyring: Keyring, table: str) -> None:
        """Derive the subkey that encrypts."""
        self._keyring = keyring
        self._prefix = f"{MARK}{table}:"
        self.first_id: Final = keyring.first.id
        self._mark = f"{MARK}{self.first_id}:"
        self._first = _subkey(keyring.first, "values")
        self._ciphers = {self.first_id: self._first}

    def seal(self, value: str, column: str, row_id: str) -> str:
        """Encrypt a value for its place, with the first key."""
        nonce = token_bytes(NONCE_LENGTH)
        # Neither the table's name nor the column's has a colon.
        place = f"{self._prefix}{column}:{row_id}".encode()
        sealed = self._first.encrypt(nonce, value.encode(), place)
        return self._mark + _encode(nonce + sealed)

    def open(self, text: str, column: str, row_id: str) -> str:
        """Decrypt a value in its place.

        Raises:
            DecryptionError: No key of the keyring fits, or the value is damaged or not from here.
        """
        cipher: AESGCM | None
        if text.startswith(self._mark):  # as nearly all do
            key_id, cipher, encoded = self.first_id, self._first, text[len(self._mark) :]
        else:
            key_id, _, encoded = text[len(MARK) :].partition(":")
            cipher = self._ciphers.get(key_id) or self._cipher_of(key_id)
        if cipher is None:
            raise DecryptionError(
                f"{column} of token {row_id!r} uses key {key_id!r}, which is missing from the "
                "keyring: append it",
                token_ids=(row_id,),
                column=column,
            )
        try:
            sealed = _decode(encoded)
            place = f"{self._prefix}{column}:{row_id}".encode()
            return cipher.decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], place).decode()
        except (InvalidTag, ValueError):
            # From None: nothing is to be learnt from why it was refused.
            raise DecryptionError(
                f"{column} of token {row_id!r} cannot be decrypted with the key {key_id!r}: it was "
                "damaged, or moved here from another row, column or table",
                token_ids=(row_id,),
                column=column,
            ) from None

    def is_current(self, text: str) -> bool:
        """Return whether a value was encrypted with the first key."""
        return text.startswith(self._mark)

    def _cipher_of(self, key_id: str) -> AESGCM | None:
        key = self._keyring.get(key_id)
        if key is None:
            return None
        self._ciphers[key_id] = cipher = _subkey(key, "values")
        return cipher


class IndexKeys:
    """Wraps a table's index key with keys of a keyring, which also proves that they fit.

    Args:
        keyring: The keys.
        table: The table's name.
    """

    def __init__(self, keyring: Keyring, table: str) -> None:
        """Keep both."""
        self._keyring = keyring
        self._table = table

    def wrap(self, index_key: bytes) -> str:
        """Encrypt an index key with the first key."""
        key = self._keyring.first
        nonce = token_bytes(NONCE_LENGTH)
        sealed = _subkey(key, "index key").encrypt(nonce, index_key, self._place(key))
        return _encode(nonce + sealed)

    def unwrap(self, known: Mapping[str, str], *, all_keys: bool) -> bytes | None:
        """Return the index key, ``None`` if the table has none yet.

        Args:
            known: What :meth:`wrap` has made, by the ids of the keys.
            all_keys: Whether the keyring must have all of these.

        Raises:
            MissingKeyError: The keyring lacks a key, or has another one of the same id.
        """
        found = {key_id: self._unwrapped(key_id, wrapped) for key_id, wrapped in known.items()}
        missing = tuple(key_id for key_id, index_key in found.items() if index_key is None)
        if missing and (all_keys or len(missing) == len(found)):
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
        return f"{MARK}{self._table}:index key:{key.id}".encode()


class BlindIndex:
    """Keyed digests of secret values, useless without the index key."""

    def __init__(self, index_key: bytes) -> None:
        """Derive the key of the digests."""
        self._key = _derived(index_key, "blind index")

    @staticmethod
    def new_key() -> bytes:
        """Return a new index key."""
        return token_bytes(INDEX_KEY_LENGTH)

    def digest(self, purpose: str, *values: str) -> str:
        """Return the digest of some values, as :func:`~.tokens.digests.digest` does."""
        return hmac.digest(self._key, framed(purpose, *values), "sha256").hex()


def key_id_of(text: str) -> str | None:
    """Return the id of the key that a value was encrypted with, ``None`` if it is readable."""
    return text[len(MARK) :].partition(":")[0] if text.startswith(MARK) else None


def _subkey(key: Key, purpose: str) -> AESGCM:
    return AESGCM(_derived(key.secret, purpose))


def _derived(secret: bytes, purpose: str) -> bytes:
    info = f"zoho_tokenstore {MARK}{purpose}".encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _decode(text: str) -> bytes:
    data = binascii.a2b_base64(text, strict_mode=True)
    if _encode(data) != text:  # the last character has bits that decoding ignores
        raise ValueError
    return data
