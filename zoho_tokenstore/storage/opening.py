"""The tables of a store: opened at its first use, and anew when the database file is another."""

from contextlib import suppress
from dataclasses import replace

from zoho_tokenstore.database.clock import ClockSkew
from zoho_tokenstore.errors import DatabaseError, SchemaOlderError
from zoho_tokenstore.forks import ForkSafeLock
from zoho_tokenstore.storage.queries import database_time
from zoho_tokenstore.storage.tables import TokenTables

__all__ = ["OpenedTables"]


class OpenedTables:
    """The tables of one store.

    Args:
        tables: The tables, which may not exist yet.
        skew: Measured when they are opened.
        create: Whether an empty database is set up.

    Attributes:
        tables: The tables; those of another database file, once it is noticed.
        is_ready: Whether they have been opened. A lookup asks this itself, because a call costs.
    """

    def __init__(self, tables: TokenTables, skew: ClockSkew, *, create: bool) -> None:
        """Open nothing yet."""
        self.tables = tables
        self.is_ready = False
        self._skew = skew
        self._create = create
        self._replaced = 0
        self._setting_up = ForkSafeLock()

    def tables_to_write(self) -> TokenTables:
        """Return the tables, opened anew if the database file is another one than before."""
        replaced = self.tables.database.notice_replacement()
        if replaced != self._replaced:
            with self._setting_up:
                if replaced != self._replaced:  # no other thread has seen it
                    self._replaced = replaced
                    self.tables = replace(self.tables)  # its keys may be others
                    self.is_ready = False
        tables = self.tables if self.is_ready else self.set_up()
        if self._skew.is_outdated():
            self.measure_skew()
        if tables.old_entries is not None:
            tables.old_entries.apply(tables.database)
        return tables

    def measure_skew(self) -> None:
        """Compare the clocks, unless the database fails: then the lookup or the save tells."""
        with suppress(DatabaseError):
            self._skew.measure(database_time(self.tables.database))

    def set_up(self) -> TokenTables:
        """Check the schema, set up an empty database, and open the tables, once."""
        with self._setting_up:
            if self.is_ready:
                return self.tables
            tables = self.tables
            if not self._is_current():
                from zoho_tokenstore.schema import migrations  # noqa: PLC0415 - Alembic, rarely needed

                migrations.set_up(tables.database, tables.schema)
            self._skew.measure(database_time(tables.database))
            _ = tables.tokens  # opens the keys
            tables.warn_about_readable_secrets()
            self.is_ready = True
        return tables

    def _is_current(self) -> bool:
        tables = self.tables
        try:
            return tables.database.read(
                lambda session: tables.schema.ready(session.connection(), create=self._create)
            )
        except SchemaOlderError:
            if not self._create:
                raise
            return False  # another worker may be setting it up, step by step, at this moment
