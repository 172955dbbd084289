"""Whole transactions again, after faults that pass by themselves."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from zoho_tokenstore.database.faults import is_transient

__all__ = ["RETRY_SECONDS", "retrying"]

T = TypeVar("T")

RETRY_SECONDS: Final = 20.0
"""How long a transaction is tried again before its last fault is reported."""

LONGEST_PAUSE: Final = 0.25


def retrying(attempt: Callable[[], T]) -> T:
    """Call ``attempt`` until it returns, raises what does not pass, or the time is up.

    The pauses double from a few milliseconds and are cut by chance, so that those who met once do
    not meet again.

    Args:
        attempt: A whole transaction: when it raises, nothing of it was stored.
    """
    deadline = time.monotonic() + RETRY_SECONDS
    longest = 0.004
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            if not is_transient(error) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, no secret
        longest = min(2 * longest, LONGEST_PAUSE)
