"""Tables of an SDK's ``DBStore``, and custom tables with the same columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    URL,
    Connection,
    Inspector,
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
from zoho_tokenstore.transfer.columns import ColumnOptions
from zoho_tokenstore.transfer.layouts import AS_NAMED, Layout, SourceRow

__all__ = ["TableSource", "view_names"]

FETCH_SIZE: Final = 1_000
"""Rows per round trip."""


class TableSource:
    """The tokens in a table of any SDK's ``DBStore``, or in a custom table like it.

    Args:
        url: Database URL.
        name: Name of the table or view, by default ``oauthtoken`` or the only one with an SDK's
            columns.
        schema: Schema of the table, ``None`` for the connection's default.
        options: What the operator says about the columns.

    Attributes:
        name: Name of the table.
        total: Number of its rows.
        unread: Names of its columns that are not read.

    Raises:
        SourceError: The table does not exist, or is not one of an SDK's.
        ConfigurationError: The URL is invalid.
        DatabaseError: The database cannot be read.
    """

    def __init__(
        self,
        url: str | URL,
        name: str | None = None,
        schema: str | None = None,
        options: ColumnOptions = AS_NAMED,
    ) -> None:
        """Find the table."""
        self._url = _checked_file(resolve(url))
        with self._connected() as connection:
            search = _Search(inspect(connection), schema, options, describe(self._url))
            self.name, names = search.find(name)
            self._layout = Layout(names, options)
            self.unread = self._layout.unread
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


def view_names(inspector: Inspector, schema: str | None) -> list[str]:
    """Return the names of the views in a schema, materialized ones included."""
    names = list(inspector.get_view_names(schema))
    with suppress(NotImplementedError):  # by SQLAlchemy, where the database has none
        names += inspector.get_materialized_view_names(schema)
    return names


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


@dataclass(frozen=True, slots=True)
class _Search:
    """The search for a table with an SDK's columns in one schema of a database."""

    inspector: Inspector
    schema: str | None
    options: ColumnOptions
    place: str

    def find(self, name: str | None) -> tuple[str, list[str]]:
        """Return the name of the table or view, and the names of its columns.

        Raises:
            SourceError: There is none, or more than one.
        """
        tables = self.inspector.get_table_names(self.schema)
        present = [*tables, *view_names(self.inspector, self.schema)]
        wanted = name or (DEFAULT_TABLE if DEFAULT_TABLE in present else None)
        if wanted is not None:
            return wanted, self._checked_columns(wanted, present)
        # A view on a table that has these columns too is not a second source.
        for candidates in (tables, present[len(tables) :]):
            found = {each: self._columns(each) for each in candidates}
            usable = [each for each in found if not self._problem(found[each])]
            if len(usable) > 1:
                raise self._error("several tables have the columns of an SDK's store", usable)
            if usable:
                return usable[0], found[usable[0]]
        raise self._error(self._nearest(present), present)

    def _checked_columns(self, name: str, present: Sequence[str]) -> list[str]:
        if name not in present:
            raise self._error(f"table {name!r} not found", present)
        columns = self._columns(name)
        if problem := self._problem(columns):
            raise SourceError(f"table {name!r} {problem}")
        return columns

    def _nearest(self, present: Sequence[str]) -> str:
        """Return the problem of the first table with refresh tokens, or that there is none."""
        for name in present:
            columns = self._columns(name)
            if "refresh_token" in Layout(columns, self.options).fields:
                return f"table {name!r} {self._problem(columns)}"
        return "no table has the columns of an SDK's store"

    def _columns(self, name: str) -> list[str]:
        return [str(each["name"]) for each in self.inspector.get_columns(name, self.schema)]

    def _problem(self, columns: Sequence[str]) -> str:
        if "id_digest" in columns:
            return "is not a table of an SDK's store: it is a token table of this package"
        return Layout(columns, self.options).problem

    def _error(self, problem: str, present: Sequence[str]) -> SourceError:
        return SourceError(
            f"{problem} in {self.place}: pass --table with one of "
            f"{', '.join(present) or 'its tables'}"
        )


def _count(source: TableClause) -> Select[int]:
    return select(func.count()).select_from(source)
