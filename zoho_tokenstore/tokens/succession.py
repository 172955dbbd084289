"""Refresh tokens that a later login of the same user has superseded.

A row remembers the refresh token that it had before its present one. A worker that still has the
earlier one, and names the user, refreshes with the present one and does not put the earlier one
back. Without the name nothing says that the two are one user's, so the row is not served.
"""

from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["has_new_login", "is_successor", "moves", "predecessor"]


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


def is_successor(row: TokenRecord, token: TokenRecord) -> bool:
    """Return whether a row that has superseded a token's refresh token is that token's row."""
    return row.user_name is not None and token.client_id in (None, row.client_id)


def moves(before: TokenRecord, after: TokenRecord) -> bool:
    """Return whether a row gets another API domain than it had."""
    return bool(before.api_domain and after.api_domain) and before.api_domain != after.api_domain
