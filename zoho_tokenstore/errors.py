"""All errors and warnings of this package.

The exception hierarchy, each class with the builtin it also is::

    TokenStoreError
    ├── InvalidTokenError              ValueError
    │   └── TokenTypeError             TypeError
    ├── AmbiguousTokenError            LookupError
    ├── IdConflictError                ValueError
    ├── UnknownIdError                 LookupError
    ├── UnknownUserError               LookupError
    ├── EventLoopError                 RuntimeError
    ├── RefreshError
    │   ├── ClientRefusedError
    │   ├── LoginRequiredError         PermissionError
    │   ├── RefreshFailedError
    │   ├── RefreshThrottledError
    │   └── RefreshTimeoutError        TimeoutError
    ├── RevocationError
    ├── EncryptionError
    │   ├── MissingKeyError
    │   ├── IndexKeyError
    │   ├── RetiredKeyError
    │   └── DecryptionError
    │       ├── DamagedRowError
    │       └── NotEncryptedError
    ├── ConfigurationError             ValueError
    │   ├── BadKeyError
    │   ├── MissingDriverError         ImportError
    │   └── MissingSDKError            ImportError
    ├── SourceError                    ValueError
    ├── ImportConflictError            ValueError
    └── DatabaseError
        ├── DatabaseUnavailableError   ConnectionError
        ├── DatabaseBusyError          TimeoutError
        ├── ReadOnlyDatabaseError      PermissionError
        ├── MissingPrivilegeError      PermissionError
        ├── DatabaseFullError          OSError
        ├── CorruptDatabaseError
        └── SchemaError
            ├── SchemaMissingError     LookupError
            ├── SchemaOlderError
            ├── SchemaNewerError
            ├── ForeignSchemaError
            │   └── SDKSchemaError
            └── MigrationError         ValueError

Messages hold no tokens, client secrets or passwords, so they can be logged. The methods that an SDK
calls wrap these errors in the SDK's own ``SDKException``, with the original error as its ``cause``.
"""

from typing import ClassVar


class UnencryptedConnectionWarning(UserWarning):
    """The connection to a database on another host is not encrypted."""


class ReadableKeysWarning(UserWarning):
    """Every user of the machine can read the file with the encryption keys."""


class ReadableSecretsWarning(UserWarning):
    """Tokens and client secrets are stored unencrypted, or served although they are."""


class PlaceholderIdWarning(UserWarning):
    """A token is saved under an id that the SDK's samples have in every token."""


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


class RevocationError(TokenStoreError):
    """Zoho has not revoked a token, which therefore stays stored."""


class EncryptionError(TokenStoreError):
    """A stored value cannot be read with the keys of the keyring."""


class MissingKeyError(EncryptionError):
    """The keyring is missing keys used by this table.

    Attributes:
        key_ids: Ids of the keys that are missing or differ from those of the table.
    """

    def __init__(self, message: str, key_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key_ids = key_ids


class IndexKeyError(EncryptionError):
    """The key table does not have the index key that encrypted rows are found by."""


class RetiredKeyError(EncryptionError):
    """The first key of the keyring was rotated out and encrypts nothing any more."""


class DecryptionError(EncryptionError):
    """A stored token was changed, was moved from another place or needs an unknown key.

    Attributes:
        token_ids: Ids of the affected tokens.
        user_name: The user that the row names, ``None`` without one.
    """

    def __init__(
        self, message: str, token_ids: tuple[str, ...] = (), user_name: str | None = None
    ) -> None:
        super().__init__(message)
        self.token_ids = token_ids
        self.user_name = user_name


class DamagedRowError(DecryptionError):
    """A stored token has a value of another type than its column, such as an expiry of letters."""


class NotEncryptedError(DecryptionError):
    """A stored token is readable, and the store has a keyring, so that it is not served."""


class SourceError(TokenStoreError, ValueError):
    """A file or table cannot be imported from or exported to."""


class ConfigurationError(TokenStoreError, ValueError):
    """The database URL, the table name or another setting is invalid."""


class BadKeyError(ConfigurationError):
    """An encryption key is invalid; the message names its position, never the key."""


class MissingDriverError(ConfigurationError, ImportError):
    """The driver for the database URL is not installed."""


class MissingSDKError(ConfigurationError, ImportError):
    """No supported Zoho CRM SDK is installed."""


class ImportConflictError(TokenStoreError, ValueError):
    """A token of the import already exists, and ``--on-conflict fail`` is set."""


class DatabaseError(TokenStoreError):
    """The database failed or rejected the operation; the transaction is not stored."""


class DatabaseUnavailableError(DatabaseError, ConnectionError):
    """The database cannot be opened or reached.

    After a connection is lost during a commit, the change may be stored. It is safe to retry.
    """


class DatabaseBusyError(DatabaseError, TimeoutError):
    """The database is locked by other writers, or the connection pool is exhausted."""


class ReadOnlyDatabaseError(DatabaseError, PermissionError):
    """The database can be read but not written."""


class MissingPrivilegeError(DatabaseError, PermissionError):
    """The database user may not do this; the message has the ``GRANT`` that allows it."""


class DatabaseFullError(DatabaseError, OSError):
    """The disk of the database is full."""


class CorruptDatabaseError(DatabaseError):
    """The file is not an SQLite database or is damaged."""


class SchemaError(DatabaseError):
    """The token table does not fit this release; ``command`` is the shell command that fixes it."""

    command: ClassVar[str] = "zoho-tokenstore upgrade"


class SchemaMissingError(SchemaError, LookupError):
    """The token table does not exist, and the store may not create it."""


class SchemaOlderError(SchemaError):
    """The token table was created by an earlier release."""


class SchemaNewerError(SchemaError):
    """The token table was created by a later release."""

    command: ClassVar[str] = "pip install --upgrade zoho-tokenstore"


class ForeignSchemaError(SchemaError):
    """A table with this name exists that another application created."""

    command: ClassVar[str] = "zoho-tokenstore upgrade --table zoho_oauthtoken"


class SDKSchemaError(ForeignSchemaError):
    """The table was created for the SDK's ``DBStore`` and can be adopted in place."""

    command: ClassVar[str] = "zoho-tokenstore adopt"


class MigrationError(SchemaError, ValueError):
    """A migration failed, or the table differs from the model."""
