"""The longest text that a column holds, where a database has such a limit."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.digests import Digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["check_length", "encoder_of"]

Encoder: TypeAlias = Callable[[TokenRecord, Digest], dict[str, Any]]


def encoder_of(codec: RowCodec, backend: Backend) -> Encoder:
    """Return :meth:`RowCodec.encode_record`, which refuses texts that are too long for a column.

    Args:
        codec: Encodes the records of the table.
        backend: The kind of database.
    """
    limit = backend.text_bytes
    if limit is None:
        return codec.encode_record

    def encode_record(row: TokenRecord, digest: Digest) -> dict[str, Any]:
        """Return all columns of a row but its times.

        Raises:
            InvalidTokenError: A text is too long.
        """
        values = codec.encode_record(row, digest)
        check_length(values, limit)
        return values

    return encode_record


def check_length(values: Mapping[str, Any], limit: int | None) -> None:
    """Check that each column holds its value.

    Args:
        values: Values by column.
        limit: How many bytes of text a column holds, ``None`` for any number.

    Raises:
        InvalidTokenError: A text is too long.
    """
    if limit is not None and (name := _too_long(values, limit)):
        what = "the encrypted secrets together are" if name == "sealed" else f"{name} is"
        raise InvalidTokenError(
            f"{what} too long: this database holds {limit} bytes of text in a column; save a "
            "shorter token, or choose another database"
        )


def _too_long(values: Mapping[str, Any], limit: int) -> str | None:
    """Return the name of a column whose value has more bytes in UTF-8 than the limit."""
    for name, value in values.items():
        # Four bytes are the longest character.
        if isinstance(value, str) and len(value) * 4 > limit < len(value.encode()):
            return name
    return None
