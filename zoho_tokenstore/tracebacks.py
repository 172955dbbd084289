"""Errors without the frames that raised them, and warnings that name the caller's line.

Tools that report errors show the local variables of each frame, and those of the store, SQLAlchemy
and the drivers hold tokens, client secrets and passwords. So a traceback ends at the method that
the application has called; the messages and causes say what happened.
"""

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Final, ParamSpec, TypeVar

from zoho_tokenstore.errors import TokenStoreError

__all__ = ["hides_frames", "warn_caller", "without_frames"]

OURS: Final = Path(__file__).parent
NOT_CALLERS: Final = ("/zohocrmsdk/", "/zcrmsdk/")
"""Parts of the file names of the SDKs, through which an application calls the store."""

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


def warn_caller(message: str, category: type[Warning]) -> None:
    """Issue a warning for the line of the application that has called, maybe through an SDK."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_back is not None and _is_no_caller(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_no_caller(frame: FrameType) -> bool:
    path = Path(frame.f_code.co_filename)
    return path.is_relative_to(OURS) or any(part in path.as_posix() for part in NOT_CALLERS)
