"""Fixed-length digests that rows are looked up by.

Databases compare text by collation (MySQL's default ignores case, accents and trailing spaces) and
limit the length of an indexed column. A digest is compared byte by byte everywhere.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from operator import attrgetter
from types import MappingProxyType
from typing import Final, TypeAlias

from zoho_tokenstore.tokens.matching import identity
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = [
    "DIGEST_COLUMNS",
    "DIGEST_LENGTH",
    "Digest",
    "digest",
    "framed",
    "looked_up",
    "row_digests",
]

DIGEST_LENGTH: Final = 64
"""Characters: SHA-256 in lower-case hexadecimal."""

DIGEST_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id": "id_digest",
        "user_name": "user_digest",
        "access_token": "access_digest",
        "grant_token": "grant_digest",
        "refresh_token": "refresh_digest",
    }
)
"""The column that each field is looked up by."""

looked_up: Final = attrgetter(*DIGEST_COLUMNS)
"""Return the values of these fields, in their order."""

Digest: TypeAlias = Callable[..., str]
"""A function like :func:`digest`."""


def digest(purpose: str, *values: str) -> str:
    """Return the digest of some values for one purpose; equal only if all of them are.

    Args:
        purpose: The field or use; the same value has another digest for another purpose.
        values: Any text; their lengths are part of the message, so that no two lists are alike.
    """
    return sha256(framed(purpose, *values)).hexdigest()


def framed(purpose: str, *values: str) -> bytes:
    """Return the message whose hash is the digest of these values."""
    if len(values) == 1:  # the usual case, in less than half the time
        (value,) = values
        return f"{purpose}:{len(value)}:{value}".encode()
    return ":".join((purpose, *map(str, map(len, values)), *values)).encode()


def row_digests(row: TokenRecord, digest: Digest = digest) -> dict[str, str | None]:
    """Return all digest columns of a row.

    Args:
        row: The row.
        digest: :func:`digest`, or a keyed one.
    """
    digests: dict[str, str | None] = {
        column: None if value is None else digest(field, value)
        for (field, column), value in zip(DIGEST_COLUMNS.items(), looked_up(row), strict=True)
    }
    digests["identity_digest"] = digest("identity", *identity(row))
    return digests
