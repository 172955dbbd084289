"""Alembic from code: the packaged migrations, applied to one token table.

Importing Alembic takes a tenth of a second, so the store imports this module only when a database
has to be set up.
"""

import threading
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
from sqlalchemy import URL, Connection, func, select, text

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.schema.state import HEAD, SchemaState, TokenSchema

__all__ = [
    "Target",
    "check",
    "downgrade",
    "history",
    "migrations_path",
    "offline_sql",
    "set_aside",
    "set_up",
    "upgrade",
]

_alembic: Final = threading.Lock()
"""Alembic's environment is a module-level proxy: one migration at a time in a process."""


def migrations_path() -> Path:
    """Return the folder of the migrations: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "migrations"
    return packed if packed.is_dir() else package.parent / "migrations"


@dataclass(frozen=True, slots=True)
class Target:
    """What ``migrations/env.py`` is told: which table, and where.

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
        """Tell Alembic the tables' names and what to compare with, by ``context.configure``."""
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
        """Compare our own table alone: the others belong to the host application."""
        if kind == "schema":
            return name == self.schema.namespace
        return kind != "table" or name in {table.name for table in self.schema.tables}


def set_up(database: Database, schema: TokenSchema) -> None:
    """Create the table in an empty database, unless somebody has meanwhile.

    Raises:
        SchemaError: What is there now is not of this release.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        with _alone(database, schema, connection):
            if not schema.ready(connection, create=True):
                if schema.state(connection) is SchemaState.UNFINISHED:
                    _drop_unfinished(schema, connection)
                _run(Target(schema, connection), command.upgrade, "head")

    database.migrate(work)


def upgrade(database: Database, schema: TokenSchema, revision: str = "head") -> None:
    """Create the table or bring it up to a revision; what others have done meanwhile is kept.

    Raises:
        SchemaError: The table is a later release's or not ours, or there is no such revision.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        with _alone(database, schema, connection):
            state = schema.state(connection)
            schema.refuse_unusable(state)
            if state is SchemaState.UNFINISHED:
                _drop_unfinished(schema, connection)
            _run(Target(schema, connection), command.upgrade, revision)

    database.migrate(work)


def downgrade(
    database: Database, schema: TokenSchema, revision: str, *, confirmed: bool = False
) -> None:
    """Take the table back to an earlier revision.

    Args:
        database: Where the table is.
        schema: Which table.
        revision: Where to go: a revision, ``-1`` or ``base``.
        confirmed: Whether stored tokens may be touched; ``base`` drops them all.

    Raises:
        SchemaError: There is no such revision, the table is not ours, or it holds tokens and
            nobody confirmed.
        DatabaseError: The database failed; nothing was changed.
    """

    def work(connection: Connection) -> None:
        state = schema.state(connection)
        schema.refuse_unusable(state)
        stored = 0 if state is SchemaState.EMPTY or confirmed else _count(schema, connection)
        if stored:
            raise MigrationError(
                f"the table {schema.name!r} holds {stored} tokens, which a downgrade may drop: "
                "add --yes if that is what you want"
            )
        _run(Target(schema, connection), command.downgrade, revision)

    database.migrate(work)


def set_aside(database: Database, schema: TokenSchema) -> str:
    """Rename a table of the SDK's own store that is where ours shall be; once is enough.

    Returns:
        The name that it has now.

    Raises:
        SchemaError: There is no such table, or both names are taken.
    """
    kept = f"{schema.name}_sdk"

    def work(connection: Connection) -> None:
        with _alone(database, schema, connection):
            there = schema.is_the_sdks(connection, kept)
            if schema.state(connection) is not SchemaState.SDK:
                if there:  # it was set aside before
                    return
                raise MigrationError(
                    f"there is nothing to adopt: {schema.name!r} is not a table of the SDK's "
                    "own DBStore"
                )
            if there:
                raise MigrationError(
                    f"{schema.name!r} and {kept!r} are both tables of the SDK's: rename or drop "
                    "one of them first"
                )
            operations = Operations(MigrationContext.configure(connection))
            operations.rename_table(schema.name, kept, schema=schema.namespace)

    database.migrate(work)
    return kept


def check(database: Database, schema: TokenSchema) -> None:
    """Make sure that the migrations made exactly the table that the model describes.

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
        url: The database; only its dialect is used, and no driver is needed.
        schema: Which table.
        direction: ``"upgrade"`` or ``"downgrade"``.
        revision: Where to go; a downgrade takes ``FROM:TO``.
        output: Where the SQL goes.

    Raises:
        MigrationError: There is no such revision.
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
    # Alembic's own words go nowhere: they would stand among the data on stdout.
    config = Config(output_buffer=output, stdout=StringIO(), attributes={Target.KEY: target})
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _alembic:
        try:
            run(config, *arguments, **options)
        except CommandError as error:
            raise MigrationError(f"Alembic refused: {error}") from error


@contextmanager
def _alone(database: Database, schema: TokenSchema, connection: Connection) -> Iterator[None]:
    """Wait until no other process migrates this table."""
    name = {"name": f".{schema.namespace or ''}.{schema.version_table}"}
    backend = database.backend
    if backend.lock is not None:
        connection.execute(text(backend.lock), name)
    try:
        yield
    finally:
        if backend.unlock is not None:
            connection.execute(text(backend.unlock), name)


def _drop_unfinished(schema: TokenSchema, connection: Connection) -> None:
    """Drop what was created by a migration that was cut short, so that it can begin again."""
    revision = schema.revision(connection)
    if revision is not None:
        for table in schema.tables_after(revision):
            table.drop(connection, checkfirst=True)
        return
    if _count(schema, connection):
        raise MigrationError(
            f"the table {schema.name!r} has tokens but no version: if it is complete, "
            f"record {HEAD!r} in {schema.version_table!r}"
        )
    schema.table.metadata.drop_all(connection)


def _count(schema: TokenSchema, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(schema.table)).scalar_one()
