"""The table: one declarative model, in one metadata of its own."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    MetaData,
    String,
    Table,
    UnicodeText,
)
from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from zoho_tokenstore.database.dialects import backend_named
from zoho_tokenstore.encryption.keyring import KEY_ID_LENGTH
from zoho_tokenstore.tokens.digests import DIGEST_LENGTH

__all__ = [
    "ADDED_COLUMNS",
    "CREDENTIAL_LENGTH",
    "DEFAULT_TABLE",
    "ENTRY_ID_LENGTH",
    "OAuthTokenRow",
    "UtcDateTime",
    "companion_table",
    "token_table",
]

DEFAULT_TABLE: Final = "oauthtoken"

Companion = Literal["lease", "key", "audit"]

ENTRY_ID_LENGTH: Final = 48
CREDENTIAL_LENGTH: Final = 12
"""Hexadecimal digits of a token's digest in the audit: enough to tell tokens apart, no more."""

ADDED_COLUMNS: Final = ("login_at", "used_at", "key_id", "sealed", "superseded_digest")
"""Columns of the token table that came with revisions 0004, 0005 and 0006."""

NAMING_CONVENTION: Final = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
TABLE_OPTIONS: Final = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
"""Every Unicode text can be stored, whatever character set the MySQL database defaults to."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, with microseconds, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the database's type for a time with microseconds."""
        return dialect.type_descriptor(backend_named(dialect.name).timestamp)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Convert a time once: all rows of a batch have the same."""
        process = super().bind_processor(dialect)
        return None if process is None else lru_cache(maxsize=1)(process)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Pass UTC on, without the zone where the database could not keep it."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value if backend_named(dialect.name).keeps_time_zone else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class's signature
        """Return UTC, whatever the session's time zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


LongText: Final = UnicodeText().with_variant(NVARCHAR(), "mssql")
"""Unicode text without a length limit; SQL Server's NTEXT is deprecated."""

KeyId: Final = String(KEY_ID_LENGTH).with_variant(
    VARCHAR(KEY_ID_LENGTH, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)
"""The id of an encryption key; upper and lower case count."""


class TokenColumns:
    """The columns of a token table, under whatever name and schema the table has.

    Secrets and names are text without a length limit, so they cannot be indexed everywhere; the
    digests next to them are what rows are looked up by. ``identity_digest`` is the unique key that
    makes a second row of the same login impossible. ``login_at`` is when another login took the
    place of the one that the row was created with, and ``used_at`` when a store with
    ``TokenPolicy(max_idle=…)`` last recorded a use.

    With a keyring the four secrets are absent: ``sealed`` holds them, encrypted together with the
    key ``key_id``; see :mod:`zoho_tokenstore.encryption.cipher`.

    ``superseded_digest`` is a digest of the refresh token that the row had before its present one;
    see :mod:`zoho_tokenstore.tokens.succession`.
    """

    id_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    id: Mapped[str] = mapped_column(LongText)
    user_name: Mapped[str | None] = mapped_column(LongText)
    client_id: Mapped[str | None] = mapped_column(LongText)
    client_secret: Mapped[str | None] = mapped_column(LongText)
    refresh_token: Mapped[str | None] = mapped_column(LongText)
    access_token: Mapped[str | None] = mapped_column(LongText)
    grant_token: Mapped[str | None] = mapped_column(LongText)
    expiry: Mapped[int | None] = mapped_column(BigInteger)
    redirect_url: Mapped[str | None] = mapped_column(LongText)
    api_domain: Mapped[str | None] = mapped_column(LongText)
    identity_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), unique=True)
    user_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), index=True)
    access_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), index=True)
    grant_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), index=True)
    refresh_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_id: Mapped[str | None] = mapped_column(KeyId, index=True)
    sealed: Mapped[str | None] = mapped_column(LongText)
    superseded_digest: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))

    def __repr__(self) -> str:
        """Name the row and none of its secrets; a detached one is shown as far as it is loaded."""
        loaded = vars(self)
        names = f"id={loaded.get('id')!r}, user_name={loaded.get('user_name')!r}"
        return f"{type(self).__name__}({names})"


class LeaseColumns:
    """The columns of a lease table: who refreshes which token.

    ``key_digest`` is the ``id_digest`` of the token; before the first login, the digest of the
    grant or refresh token that the login is made with. Times are epoch milliseconds of the
    database's clock; see :class:`zoho_tokenstore.refresh.lease.Lease`.
    """

    key_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str | None] = mapped_column(String(32))
    until: Mapped[int] = mapped_column(BigInteger)
    credential: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    starts: Mapped[str | None] = mapped_column(LongText)
    failure: Mapped[str | None] = mapped_column(LongText)
    retry_at: Mapped[int] = mapped_column(BigInteger)


class KeyColumns:
    """The columns of a key table: the keys that rows may be encrypted with.

    ``index_key`` is the key of the digests, encrypted with this key, and ``index_digest``
    identifies it; see :mod:`zoho_tokenstore.encryption.cipher`. Without encrypted rows the table is
    empty.
    """

    key_id: Mapped[str] = mapped_column(KeyId, primary_key=True)
    index_key: Mapped[str] = mapped_column(LongText)
    index_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditColumns:
    """The columns of an audit table: what happened to which token, appended and never changed.

    ``entry_id`` begins with the time in milliseconds, as twelve hexadecimal digits, so that entries
    are in the order of their ids; ``credential`` is the beginning of a token's digest.
    """

    entry_id: Mapped[str] = mapped_column(String(ENTRY_ID_LENGTH), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(20))
    token_id: Mapped[str] = mapped_column(LongText)
    user_name: Mapped[str | None] = mapped_column(LongText)
    client_id: Mapped[str | None] = mapped_column(LongText)
    credential: Mapped[str | None] = mapped_column(String(CREDENTIAL_LENGTH))
    host: Mapped[str] = mapped_column(LongText)
    process: Mapped[int] = mapped_column(BigInteger)


class Base(DeclarativeBase):
    """The declarative base of this package alone: its metadata holds the four tables only."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class OAuthTokenRow(TokenColumns, Base):
    """One stored OAuth token, in the default table.

    ``OAuthTokenRow.metadata`` lets the Alembic of an application compare the tables; see
    :mod:`zoho_tokenstore.schema.autogenerate`. Reading is safe at any time; write through the
    store, which keeps the digests in step.
    """

    __tablename__ = DEFAULT_TABLE
    __table_args__ = TABLE_OPTIONS


class LeaseRow(LeaseColumns, Base):
    """One lease of the default token table."""

    __tablename__ = f"{DEFAULT_TABLE}_lease"
    __table_args__ = TABLE_OPTIONS


class KeyRow(KeyColumns, Base):
    """One key of the default token table."""

    __tablename__ = f"{DEFAULT_TABLE}_key"
    __table_args__ = TABLE_OPTIONS


class AuditRow(AuditColumns, Base):
    """One audit entry of the default token table."""

    __tablename__ = f"{DEFAULT_TABLE}_audit"
    __table_args__ = TABLE_OPTIONS


def companion_table(tokens: Table, kind: Companion) -> Table:
    """Return a table that belongs to a token table.

    Args:
        tokens: The token table.
        kind: ``"lease"``, ``"key"`` or ``"audit"``.
    """
    name = f"{tokens.name}_{kind}"
    return tokens.metadata.tables[f"{tokens.schema}.{name}" if tokens.schema else name]


@lru_cache
def token_table(name: str = DEFAULT_TABLE, schema: str | None = None) -> Table:
    """Return the token table of that name, in a metadata with its companion tables.

    Args:
        name: The table's name.
        schema: The schema it lies in, ``None`` for the connection's default.
    """
    if (name, schema) == (DEFAULT_TABLE, None):
        return Base.metadata.tables[DEFAULT_TABLE]

    class OtherBase(DeclarativeBase):
        metadata = MetaData(naming_convention=NAMING_CONVENTION)

    options = TABLE_OPTIONS | {"schema": schema}
    companions = {LeaseColumns: "lease", KeyColumns: "key", AuditColumns: "audit"}
    tables = {TokenColumns: name} | {it: f"{name}_{kind}" for it, kind in companions.items()}
    for columns, table in tables.items():
        names = {"__tablename__": table, "__table_args__": options}
        type(f"Other{columns.__name__}", (columns, OtherBase), names)
    return next(table for table in OtherBase.metadata.tables.values() if table.name == name)
