"""What every peer can do: the calls that are measured."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

__all__ = ["Opened", "Peer", "Place", "pages"]

PAGE: Final = 10_000
"""Users that are filled in at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer's tokens are.

    Attributes:
        database: ``"sqlite"``, ``"postgresql"``, ``"mariadb"``, ``"mysql"`` or ``"file"``.
        url: SQLAlchemy's URL; the path of the file.
    """

    database: str
    url: str


class Opened(ABC):
    """A peer at work; users are named by their number, and calls prepared for one of them."""

    store: Any = None
    """The store, if the SDK can be given it."""

    @abstractmethod
    def finding(self, number: int) -> Callable[[], Any]:
        """Return what finds a user's token by the user's name."""

    def finding_by_id(self, number: int) -> Callable[[], Any]:
        """Return what finds a token by its id."""
        raise NotImplementedError

    def finding_by_refresh_token(self, number: int) -> Callable[[], Any]:
        """Return what finds a token by its refresh token."""
        raise NotImplementedError

    @abstractmethod
    def is_right(self, found: Any, number: int) -> bool:
        """Return whether what was found is this user's token, or nothing for :data:`UNKNOWN`."""

    @abstractmethod
    def updating(self, number: int) -> Callable[[str], None]:
        """Return what saves a new access token of a user, as after a refresh."""

    @abstractmethod
    def save_new(self, number: int) -> None:
        """Save the token of a user who is not stored yet."""

    @abstractmethod
    def forget(self, number: int) -> None:
        """Remove what :meth:`save_new` saved."""

    def get_all(self) -> int:
        """Read all tokens; return how many."""
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to keep tokens.

    Attributes:
        databases: Where it can.
        data: Peers of which this is the same share what is filled.
        fill: Fills a place with so many users.
        open: Opens a filled place.
        most: The most users that it is filled with; more would take too long.
    """

    databases: tuple[str, ...]
    data: str
    fill: Callable[[Place, int], None]
    open: Callable[[Place], Opened]
    most: int = 1_000_000


def pages(rows: int) -> Iterator[list[int]]:
    """Yield the numbers of so many users, some at a time."""
    numbers = iter(range(rows))
    while page := list(islice(numbers, PAGE)):
        yield page
