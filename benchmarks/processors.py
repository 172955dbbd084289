"""A processor for what is measured, and the others for the servers, where the system can do that.

Left to the system, a client and its server share a processor in one run and not in the next, and a
bare driver's lookup takes a quarter of the time if they do.
"""

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final

__all__ = ["ALLOWED", "on_one", "on_the_others"]

ALLOWED: Final[AbstractSet[int]] = (
    os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
)
"""The processors that this process may use, none if that cannot be told."""


@contextmanager
def on_one() -> Iterator[None]:
    """Keep this thread on one processor, if there are more."""
    with _kept_on({min(ALLOWED)} if len(ALLOWED) > 1 else set()):
        yield


@contextmanager
def on_the_others() -> Iterator[None]:
    """Start something on the processors that :func:`on_one` leaves free; elsewhere, anywhere."""
    with _kept_on(ALLOWED - os.sched_getaffinity(0) if ALLOWED else set()):
        yield


@contextmanager
def _kept_on(processors: AbstractSet[int]) -> Iterator[None]:
    if not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
