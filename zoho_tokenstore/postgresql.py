"""PostgreSQL by psycopg: an answer is waited for no longer than a while.

libpq has no such limit. ``tcp_user_timeout`` ends a connection whose packets nobody acknowledges;
a proxy or a frozen server acknowledges them and never answers.
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

    seconds = float(parameters.pop("read_timeout"))

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

    return ImpatientConnection.connect(*arguments, **parameters)
