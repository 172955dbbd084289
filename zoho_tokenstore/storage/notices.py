"""Log messages about stored logins that are not what a worker may expect."""

import logging
from functools import lru_cache
from typing import Final

from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["warn_of_new_domain", "warn_of_superseded"]

log: Final = logging.getLogger("zoho_tokenstore")

REMEMBERED: Final = 10_000
"""Rows that a process remembers to have warned of."""


def warn_of_superseded(row: TokenRecord) -> None:
    """Warn, once a row and process, that a worker has an earlier refresh token of this row."""
    _warn_of_superseded(row.id, row.user_name)


def warn_of_new_domain(before: TokenRecord, after: TokenRecord) -> None:
    """Warn that a save has changed the API domain of a row."""
    log.warning(
        "the API domain of token %s (user %r) has changed from %s to %s",
        before.id,
        before.user_name,
        before.api_domain,
        after.api_domain,
    )


@lru_cache(maxsize=REMEMBERED)
def _warn_of_superseded(key: str | None, user_name: str | None) -> None:
    log.warning(
        "this process has a refresh token of the user %r that a later login has superseded; the "
        "later one stays stored, and is used (token %s): configure its refresh token, or none and "
        "the user's name; to return to the earlier login, delete the token first",
        user_name,
        key,
    )
