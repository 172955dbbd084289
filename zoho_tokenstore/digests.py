"""Fixed-length digests that rows are looked up by.

Databases compare text by collation (MySQL's default ignores case, accents and trailing spaces) and
limit the length of an indexed column. A digest is compared byte by byte everywhere.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final, TypeAlias

from zoho_tokenstore.matching import identity
from zoho_tokenstore.token import TokenRecord

__all__ = ["DIGEST_COLUMNS", "DIGEST_LENGTH", "Digest", "digest", "framed", "row_digests"]

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

Digest: TypeAlias = Callable[..., str]
"""Digests values for a purpose, as :func:`digest` does."""


def digest(purpose: str, *values: str) -> str:
    """Return the digest of some values for one purpose; equal only if all of them are.

    Args:
        purpose: What the digest is for: the same value in another field digests differently.
        values: Any text; their lengths go in as well, so that no two lists run together.
    """
    return sha256(framed(purpose, *values)).hexdigest()


def framed(purpose: str, *values: str) -> bytes:
    """Return the message that a digest of these values is made of."""
    lengths = [str(len(value)) for value in values]
    return ":".join([purpose, *lengths, *values]).encode()


def row_digests(row: TokenRecord, digest: Digest = digest) -> dict[str, str | None]:
    """Return all digest columns of a row.

    Args:
        row: The row.
        digest: :func:`digest`, or another that takes its place.
    """
    digests: dict[str, str | None] = {}
    for field, column in DIGEST_COLUMNS.items():
        value = getattr(row, field)
        digests[column] = None if value is None else digest(field, value)
    digests["identity_digest"] = digest("identity", *identity(row))
    return digests
