"""Adopts a database that the SDK's own ``DBStore`` has used: the table becomes ours, in place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoho_tokenstore.errors import MigrationError, SDKSchemaError
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.transfer.dbstore import TableSource
from zoho_tokenstore.transfer.importer import Importer, ImportReport

__all__ = ["Adoption"]


@dataclass(frozen=True, slots=True)
class Adoption:
    """One table's way from the SDK's to ours; it can be ended at any point and begun again.

    Attributes:
        tables: The tables that take its place.
    """

    tables: TokenTables

    def run(
        self,
        on_left_out: Callable[[str, str], None] = lambda _where, _why: None,
        on_progress: Callable[[int, int], None] = lambda _size, _total: None,
    ) -> tuple[ImportReport, str]:
        """Set the SDK's table aside, create ours, import and check every row.

        Args:
            on_left_out: Told of each row that cannot be imported: its place, and why.
            on_progress: Told of every so many rows, and of how many there are.

        Returns:
            How it went, and the name that the SDK's table has now.

        Raises:
            SchemaError: There is no table of the SDK's.
            MigrationError: Something is not stored that should be; the SDK's table is still there.
            DatabaseError: The database failed; run it again.
        """
        database, schema = self.tables.database, self.tables.schema
        kept = migrations.set_aside(database, schema)
        source = TableSource(database.url, kept, schema.namespace)
        migrations.upgrade(database, schema)

        def import_all(**options: Any) -> ImportReport:
            return Importer(database, self.tables.tokens, **options).run(source)

        report = import_all(
            on_left_out=on_left_out, on_progress=lambda size: on_progress(size, source.total)
        )
        again = import_all(dry_run=True)
        if again.created or again.updated:
            raise MigrationError(
                f"{again.created + again.updated} rows of {kept!r} are not stored as they should "
                f"be; it is unchanged: run {SDKSchemaError.command}{schema.options} again"
            )
        return report, kept
