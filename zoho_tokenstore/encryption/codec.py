"""Between records and column values: secrets readable or sealed, and the lookup digests."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

from zoho_tokenstore.encryption.cipher import BlindIndex, RowCipher, owner_of
from zoho_tokenstore.errors import DamagedRowError, DecryptionError, NotEncryptedError
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, Digest, digest, row_digests
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

__all__ = ["EncryptedCodec", "ReadableCodec", "RowCodec"]

BOUND_FIELDS: Final = tuple(name for name in FIELDS if name not in SECRET_FIELDS)
"""The fields that a seal is bound to, the id first: a change of one of them breaks the seal."""

SEALED_COLUMNS: Final = (*BOUND_FIELDS, "key_id", "sealed")
"""The columns that a sealed row is opened from, in this order."""

KEY_ID: Final = SEALED_COLUMNS.index("key_id")
SEALED: Final = SEALED_COLUMNS.index("sealed")

bound_values: Final = itemgetter(*(FIELDS.index(name) for name in BOUND_FIELDS))
secret_values: Final = itemgetter(*(FIELDS.index(name) for name in SECRET_FIELDS))
in_order: Final = itemgetter(*map((*SEALED_COLUMNS, *SECRET_FIELDS).index, FIELDS))
"""Return the fields of a record, in their order, of a row that may be sealed."""

NO_SECRETS: Final[dict[str, None]] = dict.fromkeys(SECRET_FIELDS)
EXPIRY: Final = FIELDS.index("expiry")
IS_TEXT: Final = frozenset({str, type(None)}).issuperset
IS_NUMBER: Final = frozenset({int, type(None)}).__contains__

SEPARATOR: Final = "\0"
"""Between the secrets in a seal; no text of a token contains it."""

SECRET_PURPOSES: Final = frozenset(
    {*(name for name in DIGEST_COLUMNS if name in SECRET_FIELDS), "refresh", "grant"}
)
"""The purposes of digests of secrets: to find their rows, and to distinguish leases."""


class RowCodec(Protocol):
    """Encodes the records of one table as column values, and decodes rows."""

    encrypts: bool
    """Whether secrets are written sealed."""

    serves_readable: bool
    """Whether rows that are not encrypted are decoded."""

    columns: tuple[str, ...]
    """The columns that :meth:`decode_row` needs, in its order."""

    may_seal: bool
    """Whether the table is known to list the key that seals; see ``storage.keys``."""

    @property
    def save_parameters(self) -> dict[str, str]:
        """The parameters of the condition of ``storage.keys.may_save``."""

    def digest(self, purpose: str, *values: str) -> str:
        """Return the digest under which values are written."""

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:
        """Return the functions that make the digests under which a field can be stored."""

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return all columns of a row but its times, and but what it has superseded."""

    def superseded_digest(self, row: TokenRecord, refresh_token: str) -> str:
        """Return what a row keeps of a refresh token that it has superseded."""

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the record of a row.

        Raises:
            EncryptionError: The row cannot be read.
        """


class ReadableCodec:
    """Stores secrets as they are, as the SDKs' own stores do."""

    encrypts = False
    serves_readable = True
    columns: tuple[str, ...] = (*FIELDS, "key_id")
    may_seal = False
    digest = staticmethod(digest)

    @property
    def save_parameters(self) -> dict[str, str]:
        """None: a table without keys is all that matters."""
        return {}

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:  # noqa: ARG002 - the protocol's
        """Return the plain digest."""
        return (digest,)

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return the row as it is, with its digests."""
        return {**row._asdict(), "key_id": None, "sealed": None, **row_digests(row, digest)}

    def superseded_digest(self, row: TokenRecord, refresh_token: str) -> str:
        """Return the digest that it was looked up by."""
        del row  # who can write to the database can change a readable row anyway
        return digest("refresh_token", refresh_token)

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the row as it is, unless it is encrypted."""
        if row[len(FIELDS)] is not None:
            raise DecryptionError(
                f"token {row[0]!r} is encrypted with key {row[len(FIELDS)]!r}: pass a keyring with "
                "this key",
                *owner_of(row),
            )
        return _readable_record(row[: len(FIELDS)])


class EncryptedCodec:
    """Seals the secrets of every row, and digests them under a key.

    Args:
        cipher: Seals and opens rows.
        index: Digests secrets.
        accept_readable: Whether rows that are not encrypted are decoded too.

    Attributes:
        cipher: As given.
        index: As given.
        serves_readable: As ``accept_readable`` was given.
        columns: As :class:`RowCodec` says; the readable secrets last, if they are served.
        may_seal: Whether the table is known to list the first key; set by ``storage.keys``.
    """

    encrypts = True

    def __init__(self, cipher: RowCipher, index: BlindIndex, *, accept_readable: bool) -> None:
        """Start with an index key that the table may not have."""
        self.cipher = cipher
        self.index = index
        self.may_seal = False
        self.serves_readable = accept_readable
        self.columns = (*SEALED_COLUMNS, *SECRET_FIELDS) if accept_readable else SEALED_COLUMNS

    @property
    def save_parameters(self) -> dict[str, str]:
        """The key that seals, and what identifies the index key."""
        return {"sealing_key": self.cipher.first_id, "index_digest": self.index.own_digest}

    def digest(self, purpose: str, *values: str) -> str:
        """Return a keyed digest of secrets, a plain one of names."""
        names_login = purpose == "identity" and values[0] in SECRET_PURPOSES
        is_secret = purpose in SECRET_PURPOSES or names_login
        return (self.index.digest if is_secret else digest)(purpose, *values)

    def lookup_digests(self, field: str) -> tuple[Digest, ...]:
        """Return the keyed digest of a secret, and the plain one for rows that are readable."""
        return (self.index.digest, digest) if field in SECRET_PURPOSES else (digest,)

    def encode_record(self, row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return the row with its secrets sealed, and its digests."""
        return {**row._asdict(), **NO_SECRETS, **self.seal_record(row), **row_digests(row, digest)}

    def seal_record(self, row: TokenRecord) -> dict[str, str]:
        """Return the columns of the seal."""
        secrets = SEPARATOR.join(value or "" for value in secret_values(row))
        sealed = self.cipher.seal(secrets, bound_values(row))
        return {"key_id": self.cipher.first_id, "sealed": sealed}

    def superseded_digest(self, row: TokenRecord, refresh_token: str) -> str:
        """Return a digest that is valid for this row alone: copied to another one, it is nothing.

        It has all that says whose row it is, because the id of a deleted row can be chosen again.
        """
        owner = row.id or "", row.user_name or "", row.client_id or ""
        return self.index.digest("superseded", refresh_token, *owner)

    def decode_row(self, row: Sequence[Any]) -> TokenRecord:
        """Return the row with its secrets."""
        key_id = row[KEY_ID]
        bound = tuple(row[:KEY_ID])
        if key_id is None:
            if self.serves_readable:
                return _readable_record(in_order(row))
            raise NotEncryptedError(
                f"token {row[0]!r} is stored unencrypted: run 'zoho-tokenstore keys encrypt' if it "
                "is from before the keys were set, else delete it",
                *owner_of(row),
            )
        opened = self.cipher.open(key_id, row[SEALED], bound)
        # By name: it takes half the time of joining the parts in the order of the fields.
        id, user_name, client_id, redirect_url, api_domain, expiry = bound
        client_secret, refresh_token, access_token, grant_token = opened.split(SEPARATOR)
        return TokenRecord(
            id,
            user_name,
            client_id,
            client_secret or None,
            refresh_token or None,
            access_token or None,
            grant_token or None,
            redirect_url,
            api_domain,
            expiry,
        )


def _readable_record(row: Sequence[Any]) -> TokenRecord:
    """Return the record that has the fields of a row that is not encrypted.

    Raises:
        DamagedRowError: A column holds another type than its own, as SQLite permits.
    """
    if IS_TEXT(map(type, row[:EXPIRY])) and IS_NUMBER(type(row[EXPIRY])):
        return TokenRecord._make(row)
    damaged = [
        name
        for name, value in zip(FIELDS, row[:EXPIRY], strict=False)
        if not IS_TEXT([type(value)])
    ]
    damaged += [] if IS_NUMBER(type(row[EXPIRY])) else ["expiry"]
    raise DamagedRowError(
        f"token {row[0]!r} is damaged: {', '.join(damaged)} has a value of the wrong type; correct "
        "it in the database, or delete the token and log the user in again",
        (str(row[0]),),
        row[1] if isinstance(row[1], str) else None,
    )
