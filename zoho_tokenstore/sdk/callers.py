"""Who asks: a token whose id contradicts the rest of it is refused."""

import warnings
from typing import Final

from zoho_tokenstore.errors import IdConflictError, PlaceholderIdWarning
from zoho_tokenstore.tokens.matching import is_another_login
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["refuse_another_login", "warn_of_placeholder"]

PLACEHOLDERS: Final = frozenset({"id", "token_id"})
"""What the SDK's samples have in place of an id."""


def refuse_another_login(row: TokenRecord, caller: TokenRecord) -> None:
    """Refuse to serve a row by its id to a token of another client, user or login.

    Raises:
        IdConflictError: The row belongs to another login.
    """
    if is_another_login(row, caller):
        raise IdConflictError(
            f"the id {row.id!r} is that of another login's stored token: leave the id out, or use "
            "the one that the store has set on the token when it was saved",
            row.id or "",
        )


def warn_of_placeholder(token: TokenRecord) -> None:
    """Warn of an id that two tokens are likely to share."""
    if token.id in PLACEHOLDERS:
        warnings.warn(
            f"a token is saved under the id {token.id!r}, a placeholder of the SDK's samples: "
            "leave the id out, because every user's token needs an id of its own",
            PlaceholderIdWarning,
            stacklevel=2,
        )
