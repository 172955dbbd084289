"""Errors of the database and its schema."""

from typing import ClassVar

from zoho_tokenstore.errors.tokens import TokenStoreError

__all__ = [
    "CorruptDatabaseError",
    "DatabaseBusyError",
    "DatabaseError",
    "DatabaseFullError",
    "DatabaseUnavailableError",
    "ForeignSchemaError",
    "MigrationError",
    "MissingPrivilegeError",
    "ReadOnlyDatabaseError",
    "SDKSchemaError",
    "SchemaError",
    "SchemaMissingError",
    "SchemaNewerError",
    "SchemaOlderError",
]


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
