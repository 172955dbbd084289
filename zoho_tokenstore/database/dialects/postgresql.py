"""PostgreSQL by psycopg or psycopg2: no endless wait, no prepared statements through a pooler.

libpq waits without a limit. ``tcp_user_timeout`` ends a connection whose packets are not
acknowledged; a proxy or a frozen server acknowledges them and never answers.

PgBouncer in transaction mode hands each transaction to another server process, where a statement's
name may stand for what another client has prepared (https://www.pgbouncer.org/features.html).
"""

import re
import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Dialect,
    Engine,
    Insert,
    Select,
    Table,
    any_,
    bindparam,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from zoho_tokenstore.database.dialects.backend import (
    Backend,
    DriverConnection,
    Fault,
    MergedColumns,
)
from zoho_tokenstore.errors import ConfigurationError, DatabaseBusyError, DatabaseFullError

if TYPE_CHECKING:
    import psycopg

__all__ = ["BACKEND"]

T = TypeVar("T")

DENIED: Final = re.compile(r"permission denied for (?P<kind>\w+) (?P<name>\S+)")

PSYCOPG: Final = "postgresql+psycopg"

# tcp_user_timeout in milliseconds: without it the kernel waits a quarter of an hour for a lost
# packet.
TIMEOUTS: Final = {"connect_timeout": 10, "tcp_user_timeout": 30_000}


SCHEMA_WITHOUT_CREATE: Final = """
SELECT nspname, current_user FROM pg_namespace
WHERE nspname = COALESCE(CAST(:schema AS text), current_schema(), 'public')
AND NOT has_schema_privilege(oid, 'CREATE')
"""
"""The schema of the tables and the user, if the user may not create a table there."""


class PostgreSQL(Backend):
    """Serializable transactions, and statements that change two tables at once."""

    drivers: ClassVar[tuple[tuple[str, str], ...]] = (
        ("psycopg", "psycopg"),
        ("psycopg2", "psycopg2"),
    )
    timeouts: ClassVar[Mapping[str, Mapping[str, int]]] = {
        "psycopg": TIMEOUTS | {"read_timeout": 30},
        "psycopg2": TIMEOUTS,
    }
    hooked_arguments: ClassVar[tuple[str, ...]] = ("read_timeout",)
    begin_write: ClassVar[tuple[str, ...]] = ("BEGIN ISOLATION LEVEL SERIALIZABLE",)
    # A serializable transaction that reads many rows of a small table conflicts with every writer.
    lock_rows_only: ClassVar[tuple[str, ...]] = ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED",)
    lock_table: ClassVar[str | None] = "LOCK TABLE {} IN SHARE MODE"
    # Not serializable: a worker that waited for the lock has to see what was committed before.
    begin_migration: ClassVar[tuple[str, ...]] = ("BEGIN ISOLATION LEVEL READ COMMITTED",)
    lock: ClassVar[str | None] = "SELECT pg_advisory_xact_lock(hashtext(:name))"
    epoch_milliseconds: ClassVar[str] = (
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    )
    # https://www.postgresql.org/docs/current/queries-with.html
    writes_in_cte: ClassVar[bool] = True
    transient: ClassVar[frozenset[str | int]] = frozenset(
        {
            "40001",  # could not serialize access
            "40P01",  # deadlock
            "23505",  # unique key; another worker inserted the same login first
            "55P03",  # lock_timeout
        }
    )
    stale: ClassVar[frozenset[str | int]] = frozenset(
        {
            "25006",  # read-only transaction; the server has become a standby
            "57P01",  # terminated by the administrator
        }
    )
    read_only: ClassVar[frozenset[str | int]] = frozenset({"25006"})
    denied: ClassVar[frozenset[str | int]] = frozenset({"42501"})
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    faults: ClassVar[Mapping[str | int, Fault]] = {
        "53100": (DatabaseFullError, "is full: free disk space"),
        "57014": (
            DatabaseBusyError,
            "cancelled the statement: look for what holds it up, or raise its statement_timeout",
        ),
    }
    tls_option: ClassVar[str] = "?sslmode=verify-full"

    def prepare(self, engine: Engine, *, create: bool) -> None:
        """Refuse other encodings than UTF-8; keep ``read_timeout``, in seconds, with psycopg."""
        # Before SQLAlchemy looks for types, which fails in some encodings.
        event.listen(engine, "connect", _refuse_encoding, insert=True)
        if engine.url.drivername == PSYCOPG:
            event.listen(engine, "do_connect", _connect)

    def is_encrypted(self, connection: DriverConnection) -> bool | None:
        """Ask libpq."""
        # psycopg2 has it on info, psycopg on what info is made from.
        return bool(getattr(connection, "pgconn", connection.info).ssl_in_use)

    def denial_of(self, error: DBAPIError, url: URL) -> str:
        """Quote the server, whose words name the object, in English at least."""
        words = self.words_of(error).partition("\n")[0]
        found = DENIED.fullmatch(words)
        user = url.username or "the user"
        if found is None:
            return f"says: {words}; grant {user} what is missing"
        if found["kind"] == "schema":
            return f"says: {words}; run GRANT USAGE, CREATE ON SCHEMA {found['name']} TO {user}"
        schema = self.schema_in(error, found["name"])
        name = f"{schema}.{found['name']}" if schema else found["name"]
        return f"says: {words}; run GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {user}"

    def missing_grant_to_upgrade(self, session: Session, schema: str | None) -> str | None:
        """Ask the server."""
        parameters = {"schema": schema}
        denied = session.execute(text(SCHEMA_WITHOUT_CREATE), parameters).first()
        return None if denied is None else "GRANT USAGE, CREATE ON SCHEMA {} TO {}".format(*denied)

    def roll_back(self, connection: DriverConnection) -> None:
        """Send the statement: psycopg2 in autocommit knows of no transaction to roll back."""
        cursor = connection.cursor()
        cursor.execute("ROLLBACK")
        cursor.close()

    def one_of(self, column: Column[Any]) -> ColumnElement[bool]:
        """Build the condition with one array, which is faster to send and to plan."""
        return column == any_(bindparam(column.name, type_=ARRAY(column.type)))

    def upsert(
        self, table: Table, names: Sequence[str], rows: Select[Any], merged: MergedColumns
    ) -> Insert | None:
        """Build ``ON CONFLICT DO UPDATE``."""
        conflict = insert(table).from_select(names, rows)
        return conflict.on_conflict_do_update(
            index_elements=[table.c.identity_digest], set_=merged(conflict.excluded)
        )


def _refuse_encoding(connection: DriverConnection, _record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()  # SQLAlchemy 2.0 leaves it open
        raise ConfigurationError(
            f"the database is encoded in {encoding}, which cannot store every user name: create it "
            "with ENCODING 'UTF8' TEMPLATE template0"
        )


def _connect(
    _dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
) -> "psycopg.Connection[Any]":
    import psycopg  # noqa: PLC0415 - an optional requirement

    # A copy: SQLAlchemy 2.0.43 hands over the same mapping for each connection.
    others = dict(parameters)
    seconds = float(others.pop("read_timeout"))

    class ImpatientConnection(psycopg.Connection[Any]):
        """A connection that closes itself when the server has been silent for too long."""

        def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
            """Do what psycopg does with every command, within the limit."""
            return super().wait(self._impatient(gen), *args, **options)

        def _impatient(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
            try:
                wanted = next(gen)
                deadline = time.monotonic() + seconds
                while True:
                    if ready := (yield wanted):
                        deadline = time.monotonic() + seconds
                    elif time.monotonic() > deadline:
                        self.close()
                        raise psycopg.OperationalError(f"no answer within {seconds:g} s")
                    wanted = gen.send(ready)
            except StopIteration as done:
                result: T = done.value
                return result

    connection = ImpatientConnection.connect(*arguments, **others)
    if _is_pooled(connection):
        connection.prepare_threshold = None
    return connection


def _is_pooled(connection: "psycopg.Connection[Any]") -> bool:
    """Return whether a pooler stands in between: it makes up its own process number."""
    connection.autocommit = True  # as the engine wants it
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid


BACKEND: Final = PostgreSQL()
