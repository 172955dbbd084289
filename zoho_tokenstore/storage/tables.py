"""The tables of one store and everything that works on them, put together once."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property

from sqlalchemy import Table

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import ConfigurationError, ReadableSecretsWarning
from zoho_tokenstore.policy import TokenPolicy
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.keys import TableKeys
from zoho_tokenstore.storage.leases import LeaseTable
from zoho_tokenstore.storage.maintenance import Deletion
from zoho_tokenstore.storage.retention import AuditRetention, Retention
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tracebacks import warn_caller

__all__ = ["TokenTables"]


@dataclass(frozen=True)
class TokenTables:
    """A token table with its leases, keys and audit log; each part is made at its first use.

    Attributes:
        database: The database.
        schema: The names of the tables.
        keyring: The keys that secrets are encrypted with, ``None`` for readable secrets.
        policy: How long tokens may be served.
        audits: Whether writes are audited.
        audit_retention: How long audit entries are kept, ``None`` for ever.
        accept_readable: Whether tokens are served that are not encrypted, although there are keys.
    """

    database: Database
    schema: TokenSchema
    keyring: Keyring | None = None
    policy: TokenPolicy | None = None
    audits: bool = True
    audit_retention: timedelta | None = None
    accept_readable: bool = False

    def __post_init__(self) -> None:
        """Reject keys in another form than a keyring.

        Raises:
            ConfigurationError: ``keyring`` is not a :class:`Keyring`.
        """
        if not isinstance(self.keyring, Keyring | None):
            raise ConfigurationError(
                f"keyring is not a Keyring but {type(self.keyring).__name__}: create it with "
                "Keyring.from_text(…), from_file(…) or from_callable(…)"
            )

    @property
    def table(self) -> Table:
        """The token table."""
        return self.schema.table

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.table, enabled=self.audits)

    @cached_property
    def old_entries(self) -> AuditRetention | None:
        """Deletes old audit entries, ``None`` if all are kept."""
        limit = self.audit_retention
        return None if limit is None else AuditRetention(self.audit, limit)

    @cached_property
    def leases(self) -> LeaseTable:
        """The leases."""
        return LeaseTable(companion_table(self.table, "lease"))

    @cached_property
    def retention(self) -> Retention | None:
        """The policy applied to rows, ``None`` without one."""
        return None if self.policy is None else Retention(self.table, self.policy)

    @cached_property
    def deletion(self) -> Deletion:
        """Deletes tokens, which needs no key."""
        return Deletion(self.table, self.leases, self.audit)

    @cached_property
    def keys(self) -> TableKeys:
        """The keyring on this table."""
        return TableKeys(self.table, self.keyring, accept_readable=self.accept_readable)

    @cached_property
    def codec(self) -> RowCodec:
        """Encodes and decodes rows.

        Raises:
            EncryptionError: The keyring does not fit the table.
            DatabaseError: The database failed.
        """
        self.database.read(self.keys.check_open)
        return self.keys.codec

    def warn_about_readable_secrets(self) -> None:
        """Issue a warning if secrets are stored readable, or may be, once a process.

        A database in memory is gone with the process.
        """
        if self.keyring is None and not self.database.is_in_memory:
            _warn_once(
                "tokens and client secrets are stored unencrypted: create a key with "
                "'zoho-tokenstore keys generate' and pass keyring=Keyring.from_text(…), or set "
                "ZOHO_TOKENSTORE_KEYS"
            )
        elif self.keyring is not None and self.accept_readable:
            _warn_once(
                "unencrypted tokens are served although there are keys: run 'zoho-tokenstore keys "
                "encrypt', then remove accept_readable=True or ZOHO_TOKENSTORE_ACCEPT_READABLE"
            )

    @cached_property
    def tokens(self) -> TokenTable:
        """The tokens.

        Raises:
            EncryptionError: The keyring does not fit the table.
            DatabaseError: The database failed.
        """
        _ = self.codec  # opens the keys
        return TokenTable(self.table, self.database.backend, self.keys, self.audit, self.retention)


@cache
def _warn_once(message: str) -> None:
    warn_caller(message, ReadableSecretsWarning)
