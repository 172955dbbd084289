"""Between records and column values: secrets readable or encrypted, and the lookup digests."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from zoho_tokenstore.encryption.cipher import MARK, BlindIndex, Cipher, key_id_of
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import DecryptionError, InvalidTokenError
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, Digest, digest, row_digests
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

__all__ = ["EncryptedCodec", "ReadableCodec", "RowCodec"]

POSITIONS: Final = tuple((FIELDS.index(name), name) for name in SECRET_FIELDS)
"""The positions of the secrets in a record."""

SECRET_DIGESTS: Final = {
    name: column for name, column in DIGEST_COLUMNS.items() if name in SECRET_FIELDS
}
SECRET_PURPOSES: Final = frozenset({*SECRET_DIGESTS, "refresh", "grant"})
"""The purposes of digests of secrets: to find their rows, and to distinguish leases."""


class RowCodec(Protocol):
    """Encodes the records of one table as column values, and decodes rows."""

    columns: tuple[str, ...]
    """The columns that :meth:`decode_row` needs, in its order."""

    encrypts: bool
    """Whether secrets are written encrypted."""

    def digest(self, purpose: str, *values: str) -> str:
        """Return the digest under which values are written."""

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:
        """Return the functions that make the digests under which a field can be stored."""

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return all columns of a row but its times.

        Raises:
            InvalidTokenError: A value looks like an encrypted one.
        """

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the record of a row.

        Raises:
            EncryptionError: A value cannot be read.
        """


class ReadableCodec:
    """Stores secrets as they are, as the SDKs' own stores do."""

    columns: tuple[str, ...] = FIELDS
    encrypts = False
    digest = staticmethod(digest)

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:  # noqa: ARG002 - the protocol's
        """Return the plain digest."""
        return (digest,)

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return the row as it is, with its digests."""
        for name in SECRET_FIELDS:
            if (getattr(row, name) or "").startswith(MARK):
                raise InvalidTokenError(
                    f"{name} starts with {MARK!r} as encrypted values do: pass the original token"
                )
        return row._asdict() | row_digests(row, digest)

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the row as it is, unless it is encrypted."""
        for position, name in POSITIONS:
            value = row[position]
            if value is not None and value.startswith(MARK):
                raise DecryptionError(
                    f"{name} of token {row[0]!r} is encrypted with key {key_id_of(value)!r}: pass "
                    "a keyring with this key",
                    (row[0],),
                    name,
                )
        return TokenRecord._make(row)


class EncryptedCodec:
    """Encrypts every secret, and digests it under a key.

    A row is encrypted or readable as a whole: rows from before there were keys can still be read,
    and are encrypted when they are saved next.

    Args:
        keyring: The keys.
        table: The table's name.
        index: Digests secrets.
    """

    columns: tuple[str, ...] = (*FIELDS, *SECRET_DIGESTS.values())
    encrypts = True

    def __init__(self, keyring: Keyring, table: str, index: BlindIndex) -> None:
        """Prepare the ciphers."""
        self.cipher = Cipher(keyring, table)
        self._index = index

    def digest(self, purpose: str, *values: str) -> str:
        """Return a keyed digest of secrets, a plain one of names."""
        names_login = purpose == "identity" and values[0] in SECRET_PURPOSES
        is_secret = purpose in SECRET_PURPOSES or names_login
        return (self._index.digest if is_secret else digest)(purpose, *values)

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:
        """Return the keyed digest of a secret, and the plain one for rows that are readable."""
        return (self._index.digest, digest) if field in SECRET_PURPOSES else (digest,)

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return the row with its secrets encrypted, and its digests."""
        row_id = row.id or ""
        sealed = {
            name: self.cipher.seal(value, name, row_id)
            for name in SECRET_FIELDS
            if (value := getattr(row, name)) is not None
        }
        return row._asdict() | sealed | row_digests(row, digest)

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the row with its secrets decrypted."""
        values = list(row[: len(FIELDS)])
        row_id = values[0]
        try:
            for position, name in POSITIONS:
                value = values[position]
                if value is None:
                    continue
                if not value.startswith(MARK):
                    self._check_readable(row)
                    break
                values[position] = self.cipher.open(value, name, row_id)
        except DecryptionError:
            # A tool that shows a traceback's local variables would show them.
            row, value = (), None
            values.clear()
            raise
        return TokenRecord._make(values)

    def _check_readable(self, row: Sequence[Any]) -> None:
        """Distinguish a row from before there were keys from one whose marks were damaged.

        Raises:
            DecryptionError: It is neither encrypted nor readable.
        """
        found = dict(zip(self.columns, row, strict=True))
        sealed = [name for name in SECRET_FIELDS if (found[name] or "").startswith(MARK)]
        damaged = [
            name
            for name in SECRET_FIELDS
            if found[name] is not None
            and name not in sealed
            and (sealed or _digest_differs(found, name))
        ]
        row_id, row = found["id"], ()
        found.clear()
        if damaged:
            raise DecryptionError(
                f"{damaged[0]} of token {row_id!r} is damaged: delete the token and log the user "
                "in again",
                (row_id,),
                damaged[0],
            )


def _digest_differs(found: dict[str, Any], name: str) -> bool:
    column = SECRET_DIGESTS.get(name)
    return column is not None and found[column] != digest(name, found[name])
