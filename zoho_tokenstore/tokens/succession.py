"""Refresh tokens that a later login of the same user has superseded.

A row remembers the refresh token that it had before its present one. A worker that still has the
earlier one, and names the user, refreshes with the present one and does not put the earlier one
back. Without the name nothing says that the two are one user's, so the row is not served.
"""

from collections.abc import Callable
from typing import TypeAlias

from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["SupersededDigest", "has_new_login", "is_outdated", "moves", "predecessor"]

SupersededDigest: TypeAlias = Callable[[TokenRecord, str], str]
"""Returns what a row keeps of a refresh token that it has superseded."""


def has_new_login(before: TokenRecord, after: TokenRecord) -> bool:
    """Return whether a user's row has another login than before, and remembers another one."""
    if before.user_name is None or before.refresh_token is None:
        return False
    return (before.refresh_token, before.client_id) != (after.refresh_token, after.client_id)


def predecessor(before: TokenRecord, after: TokenRecord) -> TokenRecord | None:
    """Return what a row that has a new login remembers: itself, ``None`` if it remembers nothing.

    The earlier login must be of the same client, and of the same environment: a sandbox and its
    production may have one user, with different API domains.
    """
    is_same = before.client_id == after.client_id and not moves(before, after)
    return before if is_same else None


def is_outdated(
    token: TokenRecord, row: TokenRecord, superseded: str | None, digest: SupersededDigest
) -> bool:
    """Return whether a token has a refresh token that its row has superseded.

    Args:
        token: The token.
        row: Its row.
        superseded: What the row has kept, ``None`` for nothing.
        digest: Returns what it would keep.
    """
    if superseded is None or token.refresh_token in (None, row.refresh_token):
        return False
    return superseded == digest(row, token.refresh_token or "")


def moves(before: TokenRecord, after: TokenRecord) -> bool:
    """Return whether a row gets another API domain than it had."""
    return bool(before.api_domain and after.api_domain) and before.api_domain != after.api_domain
