"""The tables of one store and everything that works on them, put together once."""

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Table

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.policy import TokenPolicy
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.keys import open_codec
from zoho_tokenstore.storage.leases import LeaseTable
from zoho_tokenstore.storage.maintenance import Deletion
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.tokens import TokenTable

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
        read_only: Whether tokens are only read, so that a new key is not added to the table.
    """

    database: Database
    schema: TokenSchema
    keyring: Keyring | None = None
    policy: TokenPolicy | None = None
    audits: bool = True
    read_only: bool = False

    @property
    def table(self) -> Table:
        """The token table."""
        return self.schema.table

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.table, enabled=self.audits)

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
    def codec(self) -> RowCodec:
        """Encodes and decodes rows.

        Raises:
            MissingKeyError: The keyring lacks a key of the table.
            DatabaseError: The database failed.
        """
        return open_codec(self.database, self.table, self.keyring, to_write=not self.read_only)

    @cached_property
    def tokens(self) -> TokenTable:
        """The tokens.

        Raises:
            MissingKeyError: The keyring lacks a key of the table.
            DatabaseError: The database failed.
        """
        return TokenTable(self.table, self.database.backend, self.codec, self.audit, self.retention)
