"""Failed database calls: when to retry, and which error of this package to raise."""

import random
import time
from collections.abc import Iterator
from typing import Final

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.errors import DatabaseBusyError, DatabaseError

__all__ = ["RETRY_SECONDS", "describe", "retry_pauses", "translate"]

RETRY_SECONDS: Final = 20.0
"""How long a transaction is retried before its last fault is reported."""

SHORTEST_PAUSE: Final = 0.004
LONGEST_PAUSE: Final = 1.0


def retry_pauses(started: float) -> Iterator[float]:
    """Yield pauses in seconds until :data:`RETRY_SECONDS` after ``started`` are over.

    They double from a few milliseconds and are random, so that two workers that collided once do
    not collide at their retry.

    Args:
        started: When the call began, by the monotonic clock.
    """
    longest = SHORTEST_PAUSE
    while time.monotonic() <= started + RETRY_SECONDS:
        yield random.uniform(0, longest)  # noqa: S311 - jitter, no secret
        longest = min(2 * longest, LONGEST_PAUSE)


def describe(url: URL) -> str:
    """Name a database without its password and without parameters, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def translate(error: SQLAlchemyError, url: URL) -> DatabaseError:
    """Return the error to raise for an exception of SQLAlchemy.

    Args:
        error: The exception that SQLAlchemy raised.
        url: The database it happened on.
    """
    name = f"the database {describe(url)}"
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError(f"the connection pool of {name} is exhausted; retry")
    if not isinstance(error, DBAPIError):
        return DatabaseError(f"{name} failed: {type(error).__name__}")
    kind, advice = backend_of(url).fault_of(error)
    return kind(f"{name} {advice}")
