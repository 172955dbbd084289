"""Statements that are run very often: compiled once by SQLAlchemy, and run by the driver.

To run a compiled statement, SQLAlchemy looks for it in a cache, and prepares events and a result:
that takes longer than SQLite needs for the statement, and half as long as a server (``make
bench``). Where a listener or a log would miss it, it is done all the same.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Connection, Dialect, Insert, Select, TextClause, Update
from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["BY_SQLALCHEMY", "LOGGING_NAME", "CompiledStatement", "fetch_all", "row_count"]

T = TypeVar("T")

Statement: TypeAlias = Select[Any] | Insert | Update | TextClause

LOGGING_NAME: Final = "zoho_tokenstore"
"""What SQLAlchemy calls our engines in its logs."""

BY_SQLALCHEMY: Final = "zoho_tokenstore_by_sqlalchemy"
"""Execution option of an engine whose statements SQLAlchemy always runs itself."""

EVENTS: Final = ("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute")

fetch_all: Final[Callable[[Any], list[Any]]] = methodcaller("fetchall")
"""All rows that a cursor has, or SQLAlchemy's result."""

row_count: Final[Callable[[Any], int]] = attrgetter("rowcount")
"""How many rows it has changed."""

_log: Final = logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGING_NAME}")
_listeners: Final = attrgetter(*(f"dispatch.{name}" for name in EVENTS))


class CompiledForm(NamedTuple):
    """A statement as a driver takes it."""

    text: str

    parameters: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    """The names of the parameters in their order, each with what converts its values."""

    names: tuple[str, ...] | None
    """The names again, ``None`` if the driver takes values by their places."""

    @classmethod
    def of(cls, statement: Statement, dialect: Dialect) -> "CompiledForm":
        """Compile a statement."""
        compiled: SQLCompiler = statement.compile(dialect=dialect)
        binds = compiled.binds
        names = tuple(compiled.positiontup or ()) if compiled.positional else tuple(binds)
        return cls(
            str(compiled),
            tuple(
                (name, binds[name].type.dialect_impl(dialect).bind_processor(dialect))
                for name in names
            ),
            None if compiled.positional else names,
        )

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        """Return the parameters as the driver takes them."""
        values = [
            parameters[name] if convert is None else convert(parameters[name])
            for name, convert in self.parameters
        ]
        return tuple(values) if self.names is None else dict(zip(self.names, values, strict=True))


class CompiledStatement(Generic[T]):
    """A statement that is run very often, on one database.

    SQLAlchemy itself runs it while there is a listener or a log that is to see each statement, and
    on an application's engine: when its server has gone, SQLAlchemy tells the whole pool.

    Args:
        statement: The statement; all its values are parameters, and none is a list. What it selects
            has to be of types that SQLAlchemy hands on as the driver returns them, such as text.
        take: What its result is: :data:`fetch_all` or :data:`row_count`.
    """

    def __init__(self, statement: Statement, take: Callable[[Any], T]) -> None:
        """Compile it when it is first run."""
        self._statement = statement
        self._take = take
        self._form: CompiledForm | None = None

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> T:
        """Run it, and return its result.

        Raises:
            DBAPIError: It failed.
        """
        engine = connection.engine
        if (
            any(_listeners(engine))
            or _log.isEnabledFor(logging.INFO)
            or BY_SQLALCHEMY in engine.get_execution_options()
        ):
            return self._take(connection.execute(self._statement, parameters))
        form = self._form
        if form is None:
            form = self._form = CompiledForm.of(self._statement, connection.dialect)
        # As CompiledForm.arguments() does, whose call a lookup is spared.
        values = [
            parameters[name] if convert is None else convert(parameters[name])
            for name, convert in form.parameters
        ]
        arguments = values if form.names is None else dict(zip(form.names, values, strict=True))
        cursor = None
        try:
            cursor = connection.connection.cursor()
            cursor.execute(form.text, arguments)
            result = self._take(cursor)
            cursor.close()
        except BaseException as error:
            if isinstance(error, connection.dialect.loaded_dbapi.Error):
                raise _as_sqlalchemy(error, form.text, connection, cursor) from error
            if not isinstance(error, Exception):
                # Interrupted: what comes next on this connection may be this statement's answer.
                connection.invalidate(error)
            raise
        return result

    def run_many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it with the parameters of each of the rows, of which there is at least one.

        SQLAlchemy runs it: all that it is spared is to look at each value of each row, which took a
        tenth of a load into SQLite, unless there is a listener that is to see them.

        Raises:
            DBAPIError: It failed.
        """
        dialect = connection.dialect
        one_by_one = dialect.use_insertmanyvalues_wo_returning  # by psycopg2, were it left to it
        if one_by_one or any(_listeners(connection.engine)):
            connection.execute(self._statement, rows)
            return
        form = self._form
        if form is None:
            form = self._form = CompiledForm.of(self._statement, dialect)
        connection.exec_driver_sql(form.text, list(map(form.arguments, rows)))


def _as_sqlalchemy(
    error: DBAPIModule.Error, text: str, connection: Connection, cursor: DBAPICursor | None
) -> BaseException:
    """Return what SQLAlchemy raises for an error of the driver."""
    if cursor is not None:
        with suppress(Exception):
            cursor.close()
    dialect = connection.dialect
    dead = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
    return DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=dead,
        dialect=dialect,
    )
