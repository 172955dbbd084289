"""Every stored token, page by page, so that memory does not grow with the table."""

from collections.abc import Callable, Iterator

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["every_token"]


def every_token(
    database: Database, tokens: TokenTable, on_error: Callable[[DecryptionError], None]
) -> Iterator[TokenRecord]:
    """Yield the tokens in the order of their keys; nothing is held open in between.

    Args:
        database: Where they are.
        tokens: The SQL.
        on_error: Told of each token that cannot be decrypted.

    Raises:
        DatabaseError: The database failed.
    """
    after: str | None = None
    while page := database.read(lambda session: tokens.page(session, after)):  # noqa: B023 - called at once
        for row in page:
            try:
                record = tokens.codec.record(row[:-1])
            except DecryptionError as error:
                on_error(error)
            else:
                yield record
        after = page[-1].id_digest
