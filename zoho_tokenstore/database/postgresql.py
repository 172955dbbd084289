"""PostgreSQL by psycopg: no endless wait for an answer, no prepared statements through a pooler.

libpq waits without a limit. ``tcp_user_timeout`` ends a connection whose packets nobody
acknowledges; a proxy or a frozen server acknowledges them and never answers.

PgBouncer in transaction mode hands each transaction to another server process, where a statement's
name may stand for what another client has prepared (https://www.pgbouncer.org/features.html).
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Dialect, Engine, event

if TYPE_CHECKING:
    import psycopg

__all__ = ["prepare"]

T = TypeVar("T")

DRIVER: Final = "postgresql+psycopg"


def prepare(engine: Engine) -> None:
    """Make an engine's connections by psycopg take ``read_timeout``, in seconds, and keep to it."""
    if engine.url.drivername == DRIVER:
        event.listen(engine, "do_connect", _connect)


def _connect(
    _dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
) -> "psycopg.Connection[Any]":
    import psycopg  # noqa: PLC0415 - an optional requirement

    # A copy: SQLAlchemy 2.0.43 hands over the same mapping for each connection.
    others = dict(parameters)
    seconds = float(others.pop("read_timeout"))

    class ImpatientConnection(psycopg.Connection[Any]):
        """A connection that closes itself when the server has been silent for too long."""

        def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:  # noqa: ANN401
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
    """Tell whether something stands in between: it gives a process number of its own making."""
    connection.autocommit = True  # as the engine wants it
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid
