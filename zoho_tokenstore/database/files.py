"""The file of a database that has one, which can be replaced while it is open."""

from pathlib import Path

__all__ = ["OpenedFile"]


class OpenedFile:
    """The file that a pool's connections have open.

    A process that has a file open goes on reading and writing it when another file is moved to its
    path, such as a backup, or when it is removed: what it writes is lost.

    Args:
        path: The file's path.
    """

    def __init__(self, path: Path) -> None:
        """Wait for the first connection."""
        self._path = path
        self._first: tuple[int, int] | None = None

    def note_connection(self, *_: object) -> None:
        """Remember which file the pool's first connection has opened."""
        if self._first is None:
            self._first = self._present()

    def was_replaced(self) -> bool:
        """Return whether the path leads to another file than the first connection's, or to none."""
        return self._first is not None and self._first != self._present()

    def _present(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
