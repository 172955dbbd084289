"""What ``doctor`` asks a database about itself; nothing of it changes anything."""

import stat
from pathlib import Path

from sqlalchemy import URL, Executable, Table, delete, false, insert, select, update
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.errors import DatabaseError, ReadOnlyDatabaseError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import TokenSchema

__all__ = ["check_permissions", "file_mode", "journal_mode"]


def file_mode(url: URL) -> tuple[Path, int, bool] | None:
    """Return an SQLite file, its mode, and whether it is its owner's only; ``None`` elsewhere."""
    path = backend_of(url).file_of(url)
    if path is None:
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    return path, mode, not mode & (stat.S_IRWXG | stat.S_IRWXO)


def journal_mode(database: Database) -> str | None:
    """Return the journal mode of an SQLite file, ``None`` elsewhere."""
    if file_mode(database.url) is None:
        return None
    return database.read(database.backend.journal_mode)


def check_permissions(database: Database, schema: TokenSchema) -> None:
    """Make sure that every table may be written, by statements that concern no row.

    To the audit it must be possible to append; the application needs nothing more there.

    Raises:
        ReadOnlyDatabaseError: One may not; the error says which, and how to allow it.
        DatabaseUnavailableError: The database cannot be reached.
    """
    audit = companion_table(schema.table, "audit")
    for table in schema.tables:
        try:
            database.write(lambda session: _touch(session, table, audit))  # noqa: B023 - called at once
        except DatabaseError as error:
            if type(error) not in (DatabaseError, ReadOnlyDatabaseError):
                raise
            raise ReadOnlyDatabaseError(
                f"the table {table.name} may not be written ({error}): grant this user SELECT, "
                f"INSERT, UPDATE and DELETE on {', '.join(each.name for each in schema.tables)} "
                f"(on {audit.name} the first two suffice)"
            ) from error


def _touch(session: Session, table: Table, audit: Table) -> None:
    (key,) = table.primary_key
    nothing = select(table).where(false())
    statements: tuple[Executable, ...] = (
        insert(table).from_select(list(table.columns.keys()), nothing),
        update(table).where(false()).values({key.name: key}),
        delete(table).where(false()),
    )
    for statement in statements[:1] if table is audit else statements:
        session.execute(statement)
