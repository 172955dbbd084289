"""How whoever called is told of errors: the SDK by its own exceptions, people by the log."""

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final, TypeVar, cast

from zoho_tokenstore.errors import DecryptionError, TokenStoreError

__all__ = ["leave_out", "raise_it", "raises_sdk_exception", "together"]

F = TypeVar("F", bound=Callable[..., Any])

log: Final = logging.getLogger("zoho_tokenstore")

NAMED: Final = 10
"""Ids that a message names at most; the error has all of them."""

SWALLOWED: Final = ("save_token", "delete_token")
"""Methods whose errors an SDK may swallow: saves since generation 6, removals always."""


def raises_sdk_exception(method: F) -> F:
    """Make a method that the SDK calls raise the SDK's own error, ours as its cause."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any store, any method
        try:
            return method(self, *args, **kwargs)
        except TokenStoreError as error:
            if method.__name__ in SWALLOWED:
                log.error("%s failed: %s", method.__name__, error)  # noqa: TRY400 - a traceback shows values
            raise self._sdk.error(method.__name__, error) from error

    return cast("F", call)


def raise_it(error: DecryptionError) -> None:
    """Let one token that cannot be decrypted end everything."""
    raise error


def leave_out(error: DecryptionError) -> None:
    """Go on without a token that cannot be decrypted."""
    log.error("a token is left out: %s", error)


def together(errors: Sequence[DecryptionError]) -> DecryptionError:
    """Return one error for several tokens that cannot be decrypted."""
    ids = tuple(token_id for error in errors for token_id in error.token_ids)
    shown = ", ".join(map(repr, ids[:NAMED])) + (", …" if len(ids) > NAMED else "")
    return DecryptionError(f"{len(ids)} stored tokens cannot be read ({shown}): {errors[0]}", ids)
