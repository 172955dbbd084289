"""How errors reach the application: decryption errors of many tokens, and errors in the log."""

import logging
from collections.abc import Sequence
from typing import Final

from zoho_tokenstore.errors import DecryptionError, NotEncryptedError, TokenStoreError

__all__ = ["combine_errors", "log_skipped", "log_swallowed", "raise_unreadable"]

log: Final = logging.getLogger("zoho_tokenstore")

NAMED: Final = 10
"""Ids that a message names at most; the error has all of them."""

SWALLOWED: Final = ("save_token", "delete_token")
"""Methods whose errors an SDK may swallow: saves since generation 6, removals always."""


def log_swallowed(method: str, error: TokenStoreError) -> None:
    """Log an error that the SDK may swallow, without a traceback, which could show secrets.

    Args:
        method: The method of the store that failed.
        error: Why it failed.
    """
    if method in SWALLOWED:
        log.error("%s failed: %s", method, error)


def raise_unreadable(error: DecryptionError) -> None:
    """Raise the error of a token that cannot be decrypted."""
    raise error


def log_skipped(error: DecryptionError) -> None:
    """Log the error of a token that cannot be decrypted."""
    log.error("skipped a token: %s", error)


def combine_errors(errors: Sequence[DecryptionError]) -> DecryptionError:
    """Return one error for several tokens that cannot be decrypted."""
    ids = tuple(token_id for error in errors for token_id in error.token_ids)
    shown = ", ".join(map(repr, ids[:NAMED])) + (", …" if len(ids) > NAMED else "")
    readable = all(isinstance(error, NotEncryptedError) for error in errors)
    kind = NotEncryptedError if readable else DecryptionError
    return kind(f"{len(ids)} stored tokens cannot be read ({shown}): {errors[0]}", ids)
