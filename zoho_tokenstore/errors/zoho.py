"""Errors of what Zoho is asked: refreshes, logins, revocations."""

from zoho_tokenstore.errors.tokens import TokenStoreError

__all__ = [
    "ClientRefusedError",
    "LoginDeniedError",
    "LoginError",
    "LoginRequiredError",
    "LoginStateError",
    "MissingScopeError",
    "RefreshError",
    "RefreshFailedError",
    "RefreshThrottledError",
    "RefreshTimeoutError",
    "RevocationError",
    "UnknownServerError",
]


class RefreshError(TokenStoreError):
    """The access token has expired and cannot be refreshed at this time.

    Attributes:
        reason: Zoho's error code or the name of the exception, empty if unknown.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class ClientRefusedError(RefreshError):
    """Zoho has refused the client id or secret of this worker; the user's login is still good."""


class LoginRequiredError(RefreshError, PermissionError):
    """Zoho has permanently refused the stored login: the user must log in again."""


class RefreshFailedError(RefreshError):
    """The refresh by another worker that this worker waited for has failed."""


class RefreshThrottledError(RefreshError):
    """Zoho's limit for refreshes of one refresh token is reached.

    Attributes:
        seconds: Seconds until the next refresh is allowed.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class RefreshTimeoutError(RefreshError, TimeoutError):
    """The refresh by another worker takes longer than ``RefreshPolicy(wait=…)``."""


class LoginError(TokenStoreError):
    """A user could not be logged in; nothing was stored.

    Attributes:
        reason: Zoho's error code or the name of the exception, empty if unknown.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class LoginDeniedError(LoginError, PermissionError):
    """The user has not consented."""


class LoginStateError(LoginError, ValueError):
    """The state of a callback is not that of this browser's login: forged, repeated or too late."""


class UnknownServerError(LoginError, ValueError):
    """A callback names an accounts server that is not one of Zoho's; nothing was sent to it."""


class MissingScopeError(LoginError, PermissionError):
    """The scopes of a login do not allow reading the user's name."""


class RevocationError(TokenStoreError):
    """Zoho has not revoked a token, which therefore stays stored."""
