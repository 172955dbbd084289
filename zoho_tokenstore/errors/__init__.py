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
    ├── ForeignHostError               ValueError
    ├── RefreshError
    │   ├── ClientRefusedError
    │   ├── LoginRequiredError         PermissionError
    │   ├── RefreshFailedError
    │   ├── RefreshThrottledError
    │   └── RefreshTimeoutError        TimeoutError
    ├── LoginError
    │   ├── LoginDeniedError           PermissionError
    │   ├── LoginStateError            ValueError
    │   ├── UnknownServerError         ValueError
    │   └── MissingScopeError          PermissionError
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

from zoho_tokenstore.errors.database import (
    CorruptDatabaseError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailableError,
    ForeignSchemaError,
    MigrationError,
    MissingPrivilegeError,
    ReadOnlyDatabaseError,
    SchemaError,
    SchemaMissingError,
    SchemaNewerError,
    SchemaOlderError,
    SDKSchemaError,
)
from zoho_tokenstore.errors.encryption import (
    DamagedRowError,
    DecryptionError,
    EncryptionError,
    IndexKeyError,
    MissingKeyError,
    NotEncryptedError,
    RetiredKeyError,
)
from zoho_tokenstore.errors.tokens import (
    AmbiguousTokenError,
    BadKeyError,
    ConfigurationError,
    EventLoopError,
    ForeignHostError,
    IdConflictError,
    ImportConflictError,
    InvalidTokenError,
    MissingDriverError,
    MissingSDKError,
    SourceError,
    TokenStoreError,
    TokenTypeError,
    UnknownIdError,
    UnknownUserError,
)
from zoho_tokenstore.errors.warnings import (
    PlaceholderIdWarning,
    ReadableKeysWarning,
    ReadableSecretsWarning,
    SharedInitializerWarning,
    UnencryptedConnectionWarning,
)
from zoho_tokenstore.errors.zoho import (
    ClientRefusedError,
    LoginDeniedError,
    LoginError,
    LoginRequiredError,
    LoginStateError,
    MissingScopeError,
    RefreshError,
    RefreshFailedError,
    RefreshThrottledError,
    RefreshTimeoutError,
    RevocationError,
    UnknownServerError,
)

__all__ = [
    "AmbiguousTokenError",
    "BadKeyError",
    "ClientRefusedError",
    "ConfigurationError",
    "CorruptDatabaseError",
    "DamagedRowError",
    "DatabaseBusyError",
    "DatabaseError",
    "DatabaseFullError",
    "DatabaseUnavailableError",
    "DecryptionError",
    "EncryptionError",
    "EventLoopError",
    "ForeignHostError",
    "ForeignSchemaError",
    "IdConflictError",
    "ImportConflictError",
    "IndexKeyError",
    "InvalidTokenError",
    "LoginDeniedError",
    "LoginError",
    "LoginRequiredError",
    "LoginStateError",
    "MigrationError",
    "MissingDriverError",
    "MissingKeyError",
    "MissingPrivilegeError",
    "MissingSDKError",
    "MissingScopeError",
    "NotEncryptedError",
    "PlaceholderIdWarning",
    "ReadOnlyDatabaseError",
    "ReadableKeysWarning",
    "ReadableSecretsWarning",
    "RefreshError",
    "RefreshFailedError",
    "RefreshThrottledError",
    "RefreshTimeoutError",
    "RetiredKeyError",
    "RevocationError",
    "SDKSchemaError",
    "SchemaError",
    "SchemaMissingError",
    "SchemaNewerError",
    "SchemaOlderError",
    "SharedInitializerWarning",
    "SourceError",
    "TokenStoreError",
    "TokenTypeError",
    "UnencryptedConnectionWarning",
    "UnknownIdError",
    "UnknownServerError",
    "UnknownUserError",
]

for _name in __all__:  # tracebacks name each class as it is imported
    globals()[_name].__module__ = __name__
