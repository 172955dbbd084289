"""Where the peers' tokens are: files in one folder, databases on the tests' own servers."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.opened import Place
from benchmarks.peers import PEERS
from benchmarks.processors import on_the_others
from servers import KINDS, Servers, UnavailableError

__all__ = ["Places"]


class Places:
    """Places that are filled when they are first asked for.

    Args:
        folder: Where files go.
    """

    def __init__(self, folder: Path) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._servers = Servers(folder / "servers")
        self._filled: dict[tuple[str, str, int], Place | None] = {}
        self._databases = ExitStack()
        self._urls: list[str] = []
        self._numbers = count()

    @contextmanager
    def opened(self) -> Iterator["Places"]:
        """End the servers in the end."""
        try:
            yield self
        finally:
            self._databases.close()
            self._servers.stop()

    def get(self, peer: str, database: str, rows: int) -> Place | None:
        """Return a place with so many users, the same one each time; else as :meth:`fill`."""
        key = (PEERS[peer].data, database, rows)
        if key not in self._filled:
            self._filled[key] = self.fill(peer, database, rows)
        return self._filled[key]

    def fill(self, peer: str, database: str, rows: int) -> Place | None:
        """Return a new place with so many users, ``None`` if the peer or the machine has none.

        Args:
            peer: The peer's name.
            database: The database; files are with SQLite.
            rows: The number of users.
        """
        kind = PEERS[peer]
        if kind.databases == ("file",) and database == "sqlite":
            database = "file"
        possible = database in kind.databases and rows <= kind.most
        place = self.empty(database) if possible else None
        if place is not None:
            kind.fill(place, rows)
            os.sync()  # or the kernel writes a gigabyte behind the first measurements
        return place

    def empty(self, database: str) -> Place | None:
        """Return a new place with nothing in it, ``None`` if the machine has none."""
        try:
            return Place(database, self._new_url(database))
        except UnavailableError as error:
            print(error)
            return None

    def server_versions(self) -> list[str]:
        """Return the servers that were used, with their versions."""
        return sorted({_version(url) for url in self._urls})

    def _new_url(self, database: str) -> str:
        if database in KINDS:
            with on_the_others():
                server = self._servers.get(database)
            self._urls.append(self._databases.enter_context(server.database()))
            return self._urls[-1]
        path = self._folder / str(next(self._numbers))
        return str(path) if database == "file" else f"sqlite:///{path}.db"


def _version(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = str(connection.execute(text("SELECT version()")).scalar_one())
    engine.dispose()
    if found.startswith("PostgreSQL"):
        return found.partition(" on ")[0]
    return f"{'MariaDB' if 'MariaDB' in found else 'MySQL'} {found.partition('-')[0]}"
