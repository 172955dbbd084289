"""Who watches a token of the SDK, and whether it is the SDK that asks."""

import sys
from typing import Any, Final, Protocol

from zoho_tokenstore.refresh.lease import Failure

__all__ = [
    "ATTRIBUTE",
    "RefreshObserver",
    "asked_by_sdk",
    "can_be_watched",
    "release",
    "watch",
    "watched_by",
]

ASKERS: Final = ("authenticate", "get_token")
"""The SDK's methods that look a token up in order to use it (A and B; C). Its ``revoke()``, and an
application that only looks, do not refresh what they find."""

ATTRIBUTE: Final = "_watch"
"""Where a token keeps its watch. ``merge_objects`` of contract C copies attributes whose names
contain one of its fields' names, ``id`` among them; not this one."""


class RefreshObserver(Protocol):
    """Who wants to know how a refresh ends."""

    @property
    def http_timeout(self) -> float:
        """Seconds that Zoho may take."""

    def begin(self, token: Any) -> bool:  # noqa: ANN401 - untyped SDK
        """Claim the refresh; ``False`` if another worker's result is in the token already."""

    def succeeded(self, token: Any) -> None:  # noqa: ANN401 - untyped SDK
        """Take note that the token has been refreshed."""

    def failed(self, token: Any, failure: Failure) -> bool:  # noqa: ANN401 - untyped SDK
        """Take note that it has not; tell whether the token can be used nevertheless."""


def asked_by_sdk() -> bool:
    """Tell whether the SDK has called, directly or through a store around this one."""
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to ask who calls
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name in ASKERS and str(frame.f_globals.get("__name__")).endswith(
            ".zoho.api.authenticator.oauth_token"
        ):
            return True
    return False


def can_be_watched(token: object, subclass: type) -> bool:
    """Tell whether the token is the SDK's own, and not of an application's own subclass."""
    return type(token) in (subclass, subclass.__base__)


def watch(token: Any, subclass: type, by: RefreshObserver) -> None:  # noqa: ANN401 - untyped SDK
    """Make a token of the SDK tell how its refresh ends."""
    token.__class__ = subclass
    setattr(token, ATTRIBUTE, by)


def watched_by(token: object) -> Any:  # noqa: ANN401 - whoever watches
    """Return who watches this token, or ``None``."""
    return getattr(token, ATTRIBUTE, None)


def release(token: Any) -> None:  # noqa: ANN401 - untyped SDK
    """PendingRefresh the token into an ordinary one of the SDK again."""
    if watched_by(token) is not None:
        delattr(token, ATTRIBUTE)
        token.__class__ = type(token).__base__
