"""Who asks: ids that contradict their tokens, and threads that share one initializer."""

import logging
import threading
from typing import Final

from zoho_tokenstore.errors import (
    IdConflictError,
    PlaceholderIdWarning,
    SharedInitializerWarning,
)
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.types import SDKToken
from zoho_tokenstore.tokens.matching import is_another_login
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tracebacks import warn_caller

__all__ = ["InitializerUse", "refuse_another_login", "warn_of_placeholder"]

log: Final = logging.getLogger("zoho_tokenstore")

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
        warn_caller(
            f"a token is saved under the id {token.id!r}, a placeholder of the SDK's samples: "
            "leave the id out, because every user's token needs an id of its own",
            PlaceholderIdWarning,
        )


class InitializerUse:
    """Notices when threads that share the process's initializer are different users.

    A change of user from one thread to another is a job that has been handed over. Back again to
    the first thread, it is what happens when requests of several users are served at once.

    Args:
        sdk: The SDK's binding.
    """

    def __init__(self, sdk: SDKBinding) -> None:
        """Start without any lookup."""
        self._initializer = sdk.initializer
        self._last = (0, "")
        self._thread_before = 0
        self._is_told = False

    def notice(self, token: SDKToken, row: TokenRecord | None) -> None:
        """Note a lookup of the SDK, and warn once.

        Args:
            token: The SDK's token; only that of the shared initializer matters.
            row: The row that was found.
        """
        shared = self._initializer.initializer
        if self._is_told or row is None or shared is None or shared.token is not token:
            return
        if getattr(self._initializer.LOCAL, "init", None) is not None:
            return
        now = threading.get_ident(), row.id or ""
        if now == self._last:
            return
        before, self._last = self._last, now
        if before[0] != now[0]:
            is_back, self._thread_before = self._thread_before == now[0], before[0]
            if is_back and before[1] != now[1]:
                self._is_told = True
                _warn_of_shared_initializer()


def _warn_of_shared_initializer() -> None:
    message = (
        "several threads look up different users through the SDK's one initializer, so that calls "
        "are answered as another user: put each user's calls into a block 'with store.acting_as(…)'"
    )
    log.warning(message)
    warn_caller(message, SharedInitializerWarning)
