"""Every error that this package raises, under one root.

No message holds a secret: tokens, client secrets and database passwords stay out, so that errors
can be logged as they are. The methods that an SDK calls wrap these errors in the SDK's own
``SDKException``; ours is then its ``cause``.
"""

from typing import ClassVar

__all__ = [
    "AmbiguousTokenError",
    "BadKeyError",
    "ConfigurationError",
    "CorruptDatabaseError",
    "DatabaseBusyError",
    "DatabaseError",
    "DatabaseFullError",
    "DatabaseUnavailableError",
    "DecryptionError",
    "EncryptionError",
    "ForeignSchemaError",
    "IdConflictError",
    "ImportConflictError",
    "InvalidTokenError",
    "LoginRequiredError",
    "MigrationError",
    "MissingDriverError",
    "MissingKeyError",
    "MissingSDKError",
    "ReadOnlyDatabaseError",
    "ReadableSecretsWarning",
    "RefreshError",
    "RefreshFailedError",
    "RefreshThrottledError",
    "RefreshTimeoutError",
    "RevocationError",
    "SDKSchemaError",
    "SchemaError",
    "SchemaMissingError",
    "SchemaNewerError",
    "SchemaOlderError",
    "SourceError",
    "TokenStoreError",
    "TokenTypeError",
    "UnencryptedConnectionWarning",
    "UnknownIdError",
]


class UnencryptedConnectionWarning(UserWarning):
    """The database is on another host, and what is sent there is not encrypted."""


class ReadableSecretsWarning(UserWarning):
    """The store has no keyring, so whoever reads the database has the tokens."""


class TokenStoreError(Exception):
    """The root of all errors of this package."""


class InvalidTokenError(TokenStoreError, ValueError):
    """A token, or an id, holds something that cannot be stored or looked up."""


class TokenTypeError(InvalidTokenError, TypeError):
    """What was passed is not a token of the SDK, or an id is not text."""


class AmbiguousTokenError(TokenStoreError, LookupError):
    """More than one stored token fits, and the store never guesses.

    Attributes:
        ids: The ids of the stored tokens that fit.
    """

    def __init__(self, message: str, ids: tuple[str, ...] = ()) -> None:
        """Keep the ids beside the message."""
        super().__init__(message)
        self.ids = ids


class IdConflictError(TokenStoreError, ValueError):
    """A token carries an id that belongs to another user's stored token.

    Attributes:
        id: The id in question.
    """

    def __init__(self, message: str, id: str = "") -> None:
        """Keep the id beside the message."""
        super().__init__(message)
        self.id = id


class UnknownIdError(TokenStoreError, LookupError):
    """No token is stored under this id (only raised with ``missing_id="raise"``)."""


class RefreshError(TokenStoreError):
    """The access token has expired, and it cannot be refreshed now."""


class LoginRequiredError(RefreshError, PermissionError):
    """Zoho has refused the stored login for good: save new credentials, by a new login.

    Attributes:
        reason: Zoho's error code.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason


class RefreshFailedError(RefreshError):
    """Another worker's refresh, which this one has waited for, has failed.

    Attributes:
        reason: Zoho's error code, or the kind of exception.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason


class RefreshThrottledError(RefreshError):
    """There were as many refreshes as Zoho allows.

    Attributes:
        seconds: How long to wait.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        """Keep the seconds beside the message."""
        super().__init__(message)
        self.seconds = seconds


class RefreshTimeoutError(RefreshError, TimeoutError):
    """Another worker's refresh took longer than ``RefreshPolicy(wait=…)``."""


class RevocationError(TokenStoreError):
    """Zoho has not revoked a token; it stays stored."""


class EncryptionError(TokenStoreError):
    """A stored value cannot be read with the keys at hand; nothing was changed."""


class MissingKeyError(EncryptionError):
    """The table is encrypted with keys that the keyring has not.

    Attributes:
        key_ids: The ids of the keys that are missing, or are others under these ids.
    """

    def __init__(self, message: str, key_ids: tuple[str, ...] = ()) -> None:
        """Keep the ids beside the message."""
        super().__init__(message)
        self.key_ids = key_ids


class DecryptionError(EncryptionError):
    """A stored value was encrypted with an unknown key, or was damaged, or does not belong here.

    Attributes:
        token_ids: The ids of the tokens concerned.
        column: The column, if it is one alone.
    """

    def __init__(self, message: str, token_ids: tuple[str, ...] = (), column: str = "") -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.token_ids = token_ids
        self.column = column


class SourceError(TokenStoreError, ValueError):
    """What tokens are to be imported from, or exported to, cannot be used."""


class ConfigurationError(TokenStoreError, ValueError):
    """The database URL, the table name or another setting cannot be used."""


class BadKeyError(ConfigurationError):
    """An encryption key cannot be used; the error names its position and never shows it."""


class MissingDriverError(ConfigurationError, ImportError):
    """The URL's database needs a driver that is not installed."""


class MissingSDKError(ConfigurationError, ImportError):
    """No Zoho CRM SDK that this store serves can be imported."""


class ImportConflictError(TokenStoreError, ValueError):
    """An import met tokens that are stored already, and was told to fail then."""


class DatabaseError(TokenStoreError):
    """The database refused or failed the operation; nothing of it was stored."""


class DatabaseUnavailableError(DatabaseError, ConnectionError):
    """The database cannot be opened, reached or read.

    After a save or a deletion it may have been done nevertheless, if the connection broke for good
    while the answer was on its way. Doing it again is safe.
    """


class DatabaseBusyError(DatabaseError, TimeoutError):
    """Others kept the database, or the connection pool, locked for too long."""


class ReadOnlyDatabaseError(DatabaseError, PermissionError):
    """The database can be read but not written."""


class DatabaseFullError(DatabaseError, OSError):
    """There is no room left to store the token."""


class CorruptDatabaseError(DatabaseError):
    """The file is not an SQLite database, or it is damaged."""


class SchemaError(DatabaseError):
    """The token table is not the one that this release works with.

    Attributes:
        command: The command that mends it, ready to be typed.
    """

    command: ClassVar[str] = "zoho-tokenstore upgrade"


class SchemaMissingError(SchemaError, LookupError):
    """The database has no token table, and the store was told not to create it."""


class SchemaOlderError(SchemaError):
    """The token table was made by an earlier release."""


class SchemaNewerError(SchemaError):
    """The token table was made by a later release."""

    command: ClassVar[str] = "pip install --upgrade zoho-tokenstore"


class ForeignSchemaError(SchemaError):
    """A table of the same name exists that this package did not make."""

    command: ClassVar[str] = "zoho-tokenstore upgrade --table zoho_oauthtoken"


class SDKSchemaError(ForeignSchemaError):
    """The table was made for the SDK's own ``DBStore``; it can be adopted in place."""

    command: ClassVar[str] = "zoho-tokenstore adopt"


class MigrationError(SchemaError, ValueError):
    """Alembic refused a migration, or the table is not what the model describes."""
