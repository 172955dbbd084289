"""Failed database calls: when to retry, and which error of this package to raise."""

import time
from collections.abc import Iterator
from random import SystemRandom
from typing import Final

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnavailableError,
    TokenStoreError,
)

__all__ = [
    "READ_ONLY_SECONDS",
    "RETRY_SECONDS",
    "describe",
    "retry_pauses",
    "translate",
    "unknown_parameter",
]

_jitter: Final = SystemRandom()

RETRY_SECONDS: Final = 20.0
"""How long a transaction is retried before its last fault is reported."""

SHORTEST_PAUSE: Final = 0.004
LONGEST_PAUSE: Final = 1.0

READ_ONLY_SECONDS: Final = 60.0
"""How long a database that stayed read-only through all retries is not retried again."""


def retry_pauses(started: float) -> Iterator[float]:
    """Yield pauses in seconds until :data:`RETRY_SECONDS` after ``started`` are over.

    They double from a few milliseconds and are random, so that two workers that collided once do
    not collide at their retry.

    Args:
        started: When the call began, by the monotonic clock.
    """
    longest = SHORTEST_PAUSE
    while time.monotonic() <= started + RETRY_SECONDS:
        yield _jitter.uniform(0, longest)
        longest = min(2 * longest, LONGEST_PAUSE)


def describe(url: URL) -> str:
    """Name a database without its password and without parameters, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def unknown_parameter(error: Exception, url: URL) -> ConfigurationError | None:
    """Return the error about a parameter of the URL that the driver refuses by name, if it does."""
    words = str(error)
    for name in url.query:
        if f"'{name}'" in words or f'"{name}"' in words:
            return ConfigurationError(
                f"the driver {url.drivername} does not know the parameter {name!r} of the database "
                "URL: remove it, or look up the driver's own name for it"
            )
    return None


def translate(error: SQLAlchemyError, url: URL) -> TokenStoreError:
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
    backend = backend_of(url)
    if error.statement is None and backend.file_of(url) is None:
        words = " ".join(backend.words_of(error).split())
        if url.password:
            words = words.replace(url.password, "…")
        return unknown_parameter(error, url) or DatabaseUnavailableError(
            f"{name} cannot be reached: {words}; check the host, port, "
            "user name, password (special characters percent-encoded) and database in the URL"
        )
    kind, advice = backend.fault_of(error, url)
    return kind(f"{name} {advice}")
