"""Adoption of a table of the SDK's own ``DBStore``: its tokens are imported in place."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from zoho_tokenstore.errors import MigrationError, SDKSchemaError, SourceError
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import SchemaState
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.transfer.columns import ColumnOptions
from zoho_tokenstore.transfer.dbstore import TableSource, view_names
from zoho_tokenstore.transfer.importer import Importer, ImportReport
from zoho_tokenstore.transfer.layouts import AS_NAMED

__all__ = ["Adoption"]


@dataclass(frozen=True, slots=True)
class Adoption:
    """The adoption of one table, which can be interrupted at any point and repeated.

    Attributes:
        tables: The tables that take its place.
        options: What the operator says about its columns.
    """

    tables: TokenTables
    options: ColumnOptions = AS_NAMED

    def adopt_table(
        self,
        on_left_out: Callable[[str, str], None] = lambda _place, _reason: None,
        on_progress: Callable[[int, int], None] = lambda _size, _total: None,
    ) -> tuple[ImportReport, TableSource]:
        """Rename the SDK's table, create a new token table, and import and verify every row.

        Args:
            on_left_out: Called with the place of each row that is left out, and the reason.
            on_progress: Called with the number of rows of each batch and of the table.

        Returns:
            The report of the import, and the SDK's table under its new name.

        Raises:
            SchemaError: The table is not one of the SDK's.
            SourceError: It is a view, it lacks columns that are needed, or no row of it can be
                used; nothing was changed.
            MigrationError: An imported token differs from its row; the SDK's table is unchanged.
            DatabaseError: The database failed; run the adoption again.
        """
        database, schema = self.tables.database, self.tables.schema
        self._refuse_unusable()
        original = migrations.set_aside(database, schema)
        source = TableSource(database.url, original, schema.namespace, self.options)
        migrations.upgrade(database, schema)
        tokens = self.tables.tokens
        importer = Importer(
            database,
            tokens,
            on_left_out=on_left_out,
            on_progress=lambda size: on_progress(size, source.total),
        )
        report = importer.import_source(source)
        verification = Importer(database, tokens, dry_run=True).import_source(source)
        if differing := verification.created + verification.updated:
            raise MigrationError(
                f"imported tokens differ from the rows of {original!r} (rows: {differing}), which "
                f"is unchanged: run {SDKSchemaError.command}{schema.options} again"
            )
        return report, source

    def _refuse_unusable(self) -> None:
        """Look at the SDK's table before it is renamed, unless an earlier call has renamed it."""
        database, schema = self.tables.database, self.tables.schema

        def state(session: Session) -> SchemaState:
            return schema.state(session.connection())

        if database.read(state) is not SchemaState.SDK:
            return
        if schema.name in database.read(
            lambda session: view_names(inspect(session.connection()), schema.namespace)
        ):
            raise SourceError(
                f"{schema.name!r} is a view, which cannot be adopted, and nothing was changed: "
                f"import it with 'zoho-tokenstore import dbstore --table {schema.name} "
                "--into-table zoho_oauthtoken', or pass --table with the name of its table"
            )
        problem = ""
        for row in TableSource(database.url, schema.name, schema.namespace, self.options):
            if row.token is not None:
                return
            problem = problem or f"{row.place}: {row.problem}"
        if problem:
            raise SourceError(
                f"no row of table {schema.name!r} can be used, and nothing was changed: {problem}"
            )
