"""Tables of an SDK's ``DBStore``, and custom tables with the same columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Connection, Select, TableClause, column, func, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.engines import source_engine
from zoho_tokenstore.database.faults import describe, translate
from zoho_tokenstore.database.urls import resolve
from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.transfer.layouts import Layout, SourceRow, layout_of, missing_columns

__all__ = ["TableSource"]

FETCH_SIZE: Final = 1_000
"""Rows per round trip."""


class TableSource:
    """The tokens in a table of any SDK's ``DBStore``, or in a custom table like it.

    Args:
        url: Database URL.
        name: Name of the table, by default ``oauthtoken`` or the only one with the SDK's columns.
        schema: Schema of the table, ``None`` for the connection's default.

    Attributes:
        name: Name of the table.
        total: Number of its rows.

    Raises:
        SourceError: The table does not exist, or is not one of an SDK's.
        ConfigurationError: The URL is invalid.
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
        """Yield the rows, unusable ones with the reason."""
        with self._connected() as connection:
            streaming = connection.execution_options(yield_per=FETCH_SIZE)
            with streaming.execute(select(self._table)) as rows:  # closed if a reader stops early
                for number, values in enumerate(rows, 1):
                    yield self._layout.parse_row(f"row {number}", values)

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
        SourceError: Its SQLite file does not exist.
    """
    backend = backend_of(url)
    path = backend.file_of(url)
    if backend.is_in_memory(url) or (path is not None and not path.is_file()):
        raise SourceError(f"SQLite file {path or ':memory:'} not found: check the path")
    return url


def _find(
    connection: Connection, name: str | None, schema: str | None, url: URL
) -> tuple[str, list[str], Layout]:
    """Return the name of the table, the names of its columns and their layout."""
    inspector = inspect(connection)
    present = inspector.get_table_names(schema)
    wanted = name or (DEFAULT_TABLE if DEFAULT_TABLE in present else None)
    found: dict[str, tuple[list[str], Layout]] = {}
    missing: list[str] = []
    for candidate in present if wanted is None else [wanted] if wanted in present else []:
        names = [str(each["name"]) for each in inspector.get_columns(candidate, schema)]
        if "id_digest" in names:  # ours
            continue
        missing = missing_columns(names)
        if (layout := layout_of(names)) is not None:
            found[candidate] = names, layout
    if len(found) != 1:
        problem = _problem(wanted, present, missing, number=len(found))
        raise SourceError(
            f"{problem} in {describe(url)}: pass --table with one of "
            f"{', '.join(present) or 'its tables'}"
        )
    ((chosen, (names, layout)),) = found.items()
    return chosen, names, layout


def _problem(
    wanted: str | None, present: Sequence[str], missing: Sequence[str], *, number: int
) -> str:
    if wanted is None:
        return (
            f"{'several tables have' if number else 'no table has'} the columns of an SDK's store"
        )
    if wanted in present and missing:
        return f"table {wanted!r} lacks the columns {', '.join(missing)} of an SDK's store"
    if wanted in present:
        return f"table {wanted!r} is not a table of an SDK's store"
    return f"table {wanted!r} not found"


def _count(source: TableClause) -> Select[int]:
    return select(func.count()).select_from(source)
