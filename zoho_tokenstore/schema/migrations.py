"""Alembic from code: the packaged migrations, applied to one token table.

Importing Alembic takes a tenth of a second, so the store imports this module only when a database
has to be set up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Final, TextIO

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, text

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.database.dialects import Backend, backend_of
from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.forks import ForkSafeLock
from zoho_tokenstore.schema.downgrades import count_rows, refuse_loss
from zoho_tokenstore.schema.state import HEAD, SchemaState, TokenSchema

__all__ = [
    "Target",
    "alone",
    "check",
    "downgrade",
    "drop_unfinished",
    "history",
    "migrations_path",
    "offline_sql",
    "set_aside",
    "set_up",
    "upgrade",
]

_alembic: Final = ForkSafeLock()
"""Alembic's environment is a module-level proxy: one migration at a time in a process."""


def migrations_path() -> Path:
    """Return the folder of the migrations: in an installed package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "migrations"
    return packed if packed.is_dir() else package.parent / "migrations"


@dataclass(frozen=True, slots=True)
class Target:
    """The table to migrate, as ``migrations/env.py`` receives it.

    Attributes:
        schema: The token table.
        connection: An open transaction; ``None`` writes SQL instead of running it.
        url: The database, for its dialect when there is no connection.
    """

    KEY: ClassVar = "zoho_tokenstore_target"

    schema: TokenSchema
    connection: Connection | None = None
    url: URL | None = None

    def configure(self, configure: Callable[..., None]) -> None:
        """Pass the names of the tables and the model to ``context.configure``."""
        where: dict[str, Any] = {"connection": self.connection}
        if self.url is not None:
            where = {
                "url": self.url,
                "literal_binds": True,
                "dialect_opts": {"paramstyle": "named"},
                "version_table_pk": backend_of(self.url).version_table_pk,
            }
        configure(
            **where,
            target_metadata=self.schema.table.metadata,
            version_table=self.schema.version_table,
            version_table_schema=self.schema.namespace,
            include_schemas=self.schema.namespace is not None,
            include_name=self._include_name,
            compare_server_default=True,
            token_table=self.schema.name,
            token_schema=self.schema.namespace,
        )

    def _include_name(self, name: str | None, kind: str, _parents: object) -> bool:
        """Compare only our tables: the others belong to the host application."""
        if kind == "schema":
            return name == self.schema.namespace
        return kind != "table" or name in {table.name for table in self.schema.tables}


def set_up(database: Database, schema: TokenSchema) -> None:
    """Create the table in an empty database, unless another process has created it.

    Raises:
        SchemaError: The table that exists is not from this release.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        with alone(database.backend, schema, connection):
            if not schema.ready(connection, create=True):
                if schema.state(connection) is SchemaState.UNFINISHED:
                    drop_unfinished(schema, connection)
                _run(Target(schema, connection), command.upgrade, "head")

    database.migrate(work)


def upgrade(database: Database, schema: TokenSchema, revision: str = "head") -> None:
    """Create the table or upgrade it to a revision, after concurrent migrations.

    A companion table that is missing is created again, empty.

    Raises:
        SchemaError: The table is from a later release or not ours, or the revision is unknown.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        with alone(database.backend, schema, connection):
            state = schema.state(connection)
            schema.refuse_unusable(state)
            if state is SchemaState.UNFINISHED:
                drop_unfinished(schema, connection)
            _run(Target(schema, connection), command.upgrade, revision)
            for table in (
                schema.missing_tables(connection) if state is SchemaState.INCOMPLETE else ()
            ):
                table.create(connection)

    database.migrate(work)


def downgrade(
    database: Database, schema: TokenSchema, revision: str, *, confirmed: bool = False
) -> None:
    """Downgrade the table to an earlier revision.

    Args:
        database: The database.
        schema: The token table.
        revision: The target: a revision, ``-1`` or ``base``.
        confirmed: Whether stored tokens and audit entries may be deleted; ``base`` deletes all.

    Raises:
        SchemaError: The revision is unknown, the table is not ours, it holds encrypted tokens that
            could not be read afterwards, or it holds tokens or audit entries and ``confirmed`` is
            false.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        state = schema.state(connection)
        schema.refuse_unusable(state)
        if state is not SchemaState.EMPTY:
            refuse_loss(schema, connection, revision, confirmed=confirmed)
        _run(Target(schema, connection), command.downgrade, revision)

    database.migrate(work)


def set_aside(database: Database, schema: TokenSchema) -> str:
    """Rename a table of the SDK's DBStore that has the name of ours; a second call does nothing.

    Returns:
        The new name of the table.

    Raises:
        SchemaError: The table is not of the SDK's DBStore, or both names are taken.
    """
    kept = f"{schema.name}_sdk"

    def work(connection: Connection) -> None:
        with alone(database.backend, schema, connection):
            there = schema.is_sdk_table(connection, kept)
            if schema.state(connection) is not SchemaState.SDK:
                if there:  # an earlier call renamed it
                    return
                raise MigrationError(
                    f"table {schema.name!r} is not a table of the SDK's DBStore: run adopt "
                    "with --table"
                )
            if there:
                raise MigrationError(
                    f"tables {schema.name!r} and {kept!r} both belong to the SDK's DBStore: rename "
                    "or drop one of them"
                )
            operations = Operations(MigrationContext.configure(connection))
            operations.rename_table(schema.name, kept, schema=schema.namespace)

    database.migrate(work)
    return kept


def check(database: Database, schema: TokenSchema) -> None:
    """Compare the table with the model.

    Raises:
        MigrationError: They differ, or the database is not at the latest revision.
    """
    database.read(lambda session: _run(Target(schema, session.connection()), command.check))


def history() -> list[tuple[str, str]]:
    """Return each revision with its summary, newest first."""
    scripts = ScriptDirectory(str(migrations_path()))
    return [(script.revision, script.doc) for script in scripts.walk_revisions()]


def offline_sql(
    url: URL, schema: TokenSchema, direction: str, revision: str, output: TextIO
) -> None:
    """Write the SQL of an upgrade or a downgrade instead of running it.

    Args:
        url: The database; only its dialect is used, and its driver is not needed.
        schema: The token table.
        direction: ``"upgrade"`` or ``"downgrade"``.
        revision: The target; ``FROM:TO`` for a downgrade.
        output: File for the SQL.

    Raises:
        MigrationError: The revision is unknown.
    """
    run = command.upgrade if direction == "upgrade" else command.downgrade
    _run(Target(schema, url=url), run, revision, output=output, sql=True)


def _run(
    target: Target,
    run: Callable[..., None],
    *arguments: str,
    output: TextIO | None = None,
    **options: bool,
) -> None:
    # Alembic's messages are dropped: they would mix with the data on stdout.
    config = Config(output_buffer=output, stdout=StringIO(), attributes={Target.KEY: target})
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _alembic:
        try:
            run(config, *arguments, **options)
        except CommandError as error:
            raise MigrationError(f"migration failed: {error}") from error


@contextmanager
def alone(backend: Backend, schema: TokenSchema, connection: Connection) -> Iterator[None]:
    """Wait until no other process migrates this table."""
    name = {"name": f".{schema.namespace or ''}.{schema.version_table}"}
    if backend.lock is not None:
        connection.execute(text(backend.lock), name)
    try:
        yield
    finally:
        if backend.unlock is not None:
            connection.execute(text(backend.unlock), name)


def drop_unfinished(schema: TokenSchema, connection: Connection) -> None:
    """Drop the tables of an interrupted migration, so that it can start again."""
    revision = schema.revision(connection)
    if revision is not None:
        for table in schema.tables_after(revision):
            table.drop(connection, checkfirst=True)
        return
    if count_rows(connection, schema.table):
        raise MigrationError(
            f"table {schema.name!r} has tokens but no revision: if its columns are complete, "
            f"insert {HEAD!r} into {schema.version_table!r}"
        )
    schema.table.metadata.drop_all(connection)
