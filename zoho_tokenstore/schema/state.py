"""The state of a token table: its owner and its revision, checked once before the first use."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sqlalchemy import Column, Connection, Inspector, MetaData, String, Table, inspect, select

from zoho_tokenstore.errors import (
    ConfigurationError,
    ForeignSchemaError,
    SchemaMissingError,
    SchemaNewerError,
    SchemaOlderError,
    SDKSchemaError,
)
from zoho_tokenstore.schema.models import (
    ADDED_COLUMNS,
    DEFAULT_TABLE,
    companion_table,
    token_table,
)

__all__ = ["HEAD", "REVISIONS", "SchemaState", "TokenSchema"]

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision in ``migrations/``, oldest first; kept here so that no start has to scan files."""

HEAD: Final = REVISIONS[-1]
"""The revision that this release works with."""

SDK_COLUMNS: Final = frozenset({"expiry_time", "access_token", "grant_token"})
"""Columns that every table of the SDK's own DBStore has (zcrmsdk 3 to zohocrmsdk8-0 7) and ours
does not: it calls the expiry ``expiry``."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


class SchemaState(Enum):
    """State of the table with the token table's name."""

    EMPTY = auto()
    CURRENT = auto()
    INCOMPLETE = auto()
    OLDER = auto()
    NEWER = auto()
    UNFINISHED = auto()
    FOREIGN = auto()
    SDK = auto()


@dataclass(frozen=True, slots=True)
class TokenSchema:
    """Names of one token table, its companion tables and its version table.

    Attributes:
        name: Name of the token table: at most 40 letters, digits and underscores.
        namespace: Schema of the tables, ``None`` for the connection's default.
    """

    name: str = DEFAULT_TABLE
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Reject names that some databases do not accept.

        Raises:
            ConfigurationError: A name has other characters or is too long.
        """
        for what, value in (("table", self.name), ("schema", self.namespace)):
            if value is not None and not _NAME.fullmatch(str(value)):
                raise ConfigurationError(
                    f"invalid {what} name {value!r}: use at most 40 letters, digits and "
                    "underscores, not starting with a digit"
                )

    @property
    def table(self) -> Table:
        """The token table."""
        return token_table(self.name, self.namespace)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The token table and its companions, in the order of the revisions that create them."""
        return (
            self.table,
            companion_table(self.table, "lease"),
            companion_table(self.table, "key"),
            companion_table(self.table, "audit"),
        )

    def tables_after(self, revision: str) -> tuple[Table, ...]:
        """Return the tables that later revisions create."""
        return self.tables[REVISIONS.index(revision) + 1 :]

    @property
    def version_table(self) -> str:
        """The name of Alembic's version table for this token table."""
        return f"{self.name}_version"

    @property
    def options(self) -> str:
        """The command line's options that name this table, empty for the default one."""
        table = f" --table {self.name}" if self.name != DEFAULT_TABLE else ""
        return table + (f" --schema {self.namespace}" if self.namespace else "")

    def revision(self, connection: Connection) -> str | None:
        """Return the revision recorded in the database, ``None`` without one."""
        if not inspect(connection).has_table(self.version_table, schema=self.namespace):
            return None
        versions = Table(
            self.version_table,
            MetaData(),
            Column("version_num", String(32)),
            schema=self.namespace,
        )
        return connection.execute(select(versions.c.version_num)).scalar()

    def state(self, connection: Connection) -> SchemaState:
        """Return the state of the table in the database."""
        # The revision first: while another process sets the table up, it appears last.
        revision = self.revision(connection)
        inspector = inspect(connection)
        present = inspector.has_table(self.name, schema=self.namespace)
        if revision is None:
            if not present:
                return SchemaState.EMPTY
            return self._made_by(inspector)
        if revision not in REVISIONS:
            return SchemaState.NEWER
        if not present and revision != HEAD:
            return SchemaState.FOREIGN
        if revision == HEAD:
            return SchemaState.INCOMPLETE if self._missing(inspector) else SchemaState.CURRENT
        # Where DDL is not transactional, a revision's table can be there before its number is.
        later = (table.name for table in self.tables_after(revision))
        cut_short = any(inspector.has_table(name, schema=self.namespace) for name in later)
        return SchemaState.UNFINISHED if cut_short else SchemaState.OLDER

    def missing_tables(self, connection: Connection) -> list[Table]:
        """Return the tables of this release that the database does not have."""
        return self._missing(inspect(connection))

    def _missing(self, inspector: Inspector) -> list[Table]:
        return [
            table
            for table in self.tables
            if not inspector.has_table(table.name, schema=self.namespace)
        ]

    def is_sdk_table(self, connection: Connection, name: str) -> bool:
        """Return whether a table of this name exists and belongs to the SDK's DBStore."""
        inspector = inspect(connection)
        there = inspector.has_table(name, schema=self.namespace)
        return there and self._columns(inspector, name) >= SDK_COLUMNS

    def _columns(self, inspector: Inspector, name: str) -> set[str]:
        return {column["name"].lower() for column in inspector.get_columns(name, self.namespace)}

    def _made_by(self, inspector: Inspector) -> SchemaState:
        """Return the state of a table without a version."""
        columns = self._columns(inspector, self.name)
        if columns >= SDK_COLUMNS:
            return SchemaState.SDK
        # MySQL's DDL is not transactional: a process sets the table up, or was killed doing so.
        ours = columns >= set(self.table.columns.keys()) - set(ADDED_COLUMNS)
        return SchemaState.UNFINISHED if ours else SchemaState.FOREIGN

    def ready(self, connection: Connection, *, create: bool) -> bool:
        """Return whether the table can be used, ``False`` when it may be set up first.

        Raises:
            SchemaError: The table can be neither used nor set up; the error names the command.
        """
        state = self.state(connection)
        if state in (SchemaState.EMPTY, SchemaState.UNFINISHED):
            if create:
                return False
            raise SchemaMissingError(
                f"table {self.name!r} does not exist: run "
                f"{SchemaMissingError.command}{self.options}"
            )
        self.refuse_unusable(state)
        if state is SchemaState.INCOMPLETE:
            missing = [repr(table.name) for table in self.missing_tables(connection)]
            subject = f"table {missing[0]} is"
            if len(missing) > 1:
                subject = f"tables {', '.join(missing)} are"
            raise SchemaMissingError(
                f"{subject} missing after an earlier set-up: restore a backup, or run "
                f"{SchemaMissingError.command}{self.options} to create what is missing, empty"
            )
        if state is SchemaState.OLDER:
            raise SchemaOlderError(
                f"table {self.name!r} is from an earlier release: run "
                f"{SchemaOlderError.command}{self.options}"
            )
        return True

    def refuse_unusable(self, state: SchemaState) -> None:
        """Raise for a table that this release cannot upgrade.

        Raises:
            SchemaNewerError: The table is from a later release.
            SDKSchemaError: The table belongs to the SDK's DBStore.
            ForeignSchemaError: The table belongs to another application.
        """
        if state is SchemaState.NEWER:
            raise SchemaNewerError(
                f"table {self.name!r} is from a later release: run {SchemaNewerError.command}, or "
                f"run that release's 'zoho-tokenstore downgrade {HEAD}'"
            )
        elsewhere = (
            f"run {ForeignSchemaError.command} and pass table='zoho_oauthtoken' to use another "
            "table"
        )
        if state is SchemaState.SDK:
            raise SDKSchemaError(
                f"table {self.name!r} belongs to the SDK's DBStore: run "
                f"{SDKSchemaError.command}{self.options} to convert it, or {elsewhere}"
            )
        if state is SchemaState.FOREIGN:
            raise ForeignSchemaError(
                f"table {self.name!r} belongs to another application: {elsewhere}"
            )
