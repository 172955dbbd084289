"""The root of all errors, and those about tokens, settings and imports."""

__all__ = [
    "AmbiguousTokenError",
    "BadKeyError",
    "ConfigurationError",
    "EventLoopError",
    "ForeignHostError",
    "IdConflictError",
    "ImportConflictError",
    "InvalidTokenError",
    "MissingDriverError",
    "MissingSDKError",
    "SourceError",
    "TokenStoreError",
    "TokenTypeError",
    "UnknownIdError",
    "UnknownUserError",
]


class TokenStoreError(Exception):
    """The base class of all errors of this package."""


class InvalidTokenError(TokenStoreError, ValueError):
    """A token or an id has a value that cannot be stored or looked up."""


class TokenTypeError(InvalidTokenError, TypeError):
    """An argument is not a token of the SDK, or an id is not text."""


class AmbiguousTokenError(TokenStoreError, LookupError):
    """More than one stored token matches, and the store does not guess.

    Attributes:
        ids: Ids of the matching tokens.
    """

    def __init__(self, message: str, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.ids = ids


class IdConflictError(TokenStoreError, ValueError):
    """A token has the id of another user's stored token.

    Attributes:
        id: Id that both tokens have.
    """

    def __init__(self, message: str, id: str = "") -> None:
        super().__init__(message)
        self.id = id


class UnknownIdError(TokenStoreError, LookupError):
    """No token is stored under this id, or for this user."""


class UnknownUserError(TokenStoreError, LookupError):
    """No token is stored for this user."""


class EventLoopError(TokenStoreError, RuntimeError):
    """The calling thread has a running event loop, whose tasks would act as each other's users."""


class ForeignHostError(TokenStoreError, ValueError):
    """A request would send an access token to a host outside the user's data center."""


class ConfigurationError(TokenStoreError, ValueError):
    """The database URL, the table name or another setting is invalid."""


class BadKeyError(ConfigurationError):
    """An encryption key is invalid; the message names its position, never the key."""


class MissingDriverError(ConfigurationError, ImportError):
    """The driver for the database URL is not installed."""


class MissingSDKError(ConfigurationError, ImportError):
    """No supported Zoho CRM SDK is installed."""


class SourceError(TokenStoreError, ValueError):
    """A file or table cannot be imported from or exported to."""


class ImportConflictError(TokenStoreError, ValueError):
    """A token of the import already exists, and ``--on-conflict fail`` is set."""
