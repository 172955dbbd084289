"""Errors without the frames that raised them.

Tools that report errors show the local variables of each frame, and those of the store, SQLAlchemy
and the drivers hold tokens, client secrets and passwords. So a traceback ends at the method that
the application has called; the messages and causes say what happened.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from zoho_tokenstore.errors import TokenStoreError

__all__ = ["hides_frames", "without_frames"]

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """Remove the frames from an error and from all its causes; return it."""
    chain: list[BaseException | None] = [error]
    for each in chain:
        if each is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            chain += (each.__cause__, each.__context__)
    return error


def hides_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Raise the errors of a function without the frames below it, and without its arguments."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except TokenStoreError as error:
            args, kwargs = (), {}  # type: ignore[assignment] # what a traceback would show
            raise without_frames(error) from error.__cause__

    return call
