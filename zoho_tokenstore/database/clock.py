"""The database's clock as an expression, and how far this host's clock is from it."""

import time
from typing import Any, Final

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from zoho_tokenstore.database.dialects import backend_named
from zoho_tokenstore.tokens.record import MAX_EXPIRY, TokenRecord

__all__ = ["TOLERANCE", "ClockSkew", "epoch_milliseconds"]

LASTS: Final = 600.0
"""Seconds after which the clocks are compared again."""

JUMP: Final = 5.0
"""Seconds by which the host's clock may move against the time that passes."""

TOLERANCE: Final = 30_000
"""Milliseconds that can come from a slow answer, or do not matter for a token of an hour."""

DRIFT: Final = 1_000
"""Milliseconds by which two measurements may differ without replacing the first."""


class epoch_milliseconds(FunctionElement[int]):  # noqa: N801 - used like a function of SQLAlchemy's
    """The time at which the statement runs, whatever the session's time zone."""

    type = BigInteger()
    inherit_cache = True


@compiles(epoch_milliseconds)
def _compile_clock(_: epoch_milliseconds, compiler: SQLCompiler, **__: Any) -> str:
    return backend_named(compiler.dialect.name).epoch_milliseconds


class ClockSkew:
    """The difference between two clocks, applied when it is large.

    The SDKs compute the expiry with the clock of their host. Stored expiries follow the database's
    clock; a host whose clock is wrong converts them.

    Attributes:
        milliseconds: How far this host's clock is ahead, 0 within the tolerance.
    """

    def __init__(self) -> None:
        """Trust the host's clock until it has been compared."""
        self.milliseconds = 0
        self._lasts_until = 0.0
        self._offset = 0.0

    def is_outdated(self) -> bool:
        """Return whether the clocks have to be compared: now and then, and after a jump.

        NTP puts a clock right while a process runs, and a machine that was suspended wakes up with
        another time.
        """
        passing = time.monotonic()
        return passing > self._lasts_until or abs(time.time() - passing - self._offset) > JUMP

    def measure(self, database_time: int) -> None:
        """Compare the clocks.

        Args:
            database_time: The database's time just now, in epoch milliseconds.
        """
        now, passing = time.time(), time.monotonic()
        self._lasts_until, self._offset = passing + LASTS, now - passing
        difference = int(now * 1000) - database_time
        if abs(difference) <= TOLERANCE:
            self.milliseconds = 0
        elif abs(difference - self.milliseconds) > DRIFT:
            self.milliseconds = difference

    def to_host(self, token: TokenRecord) -> TokenRecord:
        """Return a stored token with its expiry by this host's clock."""
        return _shift_expiry(token, self.milliseconds)

    def to_database(self, token: TokenRecord) -> TokenRecord:
        """Return a token of this host with its expiry by the database's clock."""
        return _shift_expiry(token, -self.milliseconds)


def _shift_expiry(token: TokenRecord, milliseconds: int) -> TokenRecord:
    if not milliseconds or token.expiry is None:
        return token
    return token._replace(expiry=min(max(token.expiry + milliseconds, 0), MAX_EXPIRY))
