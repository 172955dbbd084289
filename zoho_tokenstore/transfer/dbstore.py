"""Tables of the SDKs' ``DBStore``, and those that people have made like them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import (
    URL,
    Connection,
    Select,
    TableClause,
    column,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.engines import source_engine
from zoho_tokenstore.database.faults import describe, translate
from zoho_tokenstore.database.urls import resolve
from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.transfer.layouts import Layout, SourceRow, layout_of

__all__ = ["TableSource"]

AT_ONCE: Final = 1_000
"""Rows that are fetched at once."""


class TableSource:
    """The tokens in a table of any SDK's ``DBStore``, or of one like it.

    Args:
        url: The database.
        name: The table; by default ``oauthtoken``, or the only one that looks like the SDK's.
        schema: The schema that it lies in.

    Attributes:
        name: The table.
        total: How many rows it has.

    Raises:
        SourceError: There is no such table.
        ConfigurationError: The URL cannot be used.
        DatabaseError: The database cannot be read.
    """

    def __init__(self, url: str | URL, name: str | None = None, schema: str | None = None) -> None:
        """Find the table."""
        self._url = _checked_file(resolve(url))
        with self._connected() as connection:
            self.name, names, self._layout = _find(connection, name, schema, self._url)
            self._table = table(self.name, *(column(name) for name in names), schema=schema)
            self.total = connection.scalar(_count(self._table)) or 0

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield its rows, those that cannot be used with the reason."""
        with self._connected() as connection:
            streaming = connection.execution_options(yield_per=AT_ONCE)
            for number, values in enumerate(streaming.execute(select(self._table)), 1):
                yield self._layout.row(f"row {number}", values)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with source_engine(self._url).connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise translate(error, self._url) from error


def _checked_file(url: URL) -> URL:
    """Return the URL.

    Raises:
        SourceError: It names an SQLite file that does not exist.
    """
    backend = backend_of(url)
    path = backend.file_of(url)
    if backend.is_in_memory(url) or (path is not None and not path.is_file()):
        raise SourceError(f"the SQLite file {path or ':memory:'} does not exist: check the path")
    return url


def _find(
    connection: Connection, name: str | None, schema: str | None, url: URL
) -> tuple[str, list[str], Layout]:
    """Return the table's name, its columns' and what they hold."""
    inspector = inspect(connection)
    present = inspector.get_table_names(schema)
    wanted = name or (DEFAULT_TABLE if DEFAULT_TABLE in present else None)
    found = {}
    for candidate in present if wanted is None else [wanted] if wanted in present else []:
        names = [str(each["name"]) for each in inspector.get_columns(candidate, schema)]
        if "id_digest" not in names and (layout := layout_of(names)):
            found[candidate] = names, layout
    if len(found) != 1:
        what = f"no table {wanted!r} of an SDK's store" if wanted else "not one table of an SDK's"
        raise SourceError(
            f"{describe(url)} has {what}; it has: {', '.join(present) or 'none'}. Name it with "
            "--table"
        )
    ((chosen, (names, layout)),) = found.items()
    return chosen, names, layout


def _count(source: TableClause) -> Select[int]:
    return select(func.count()).select_from(source)
