"""The SDKs' ``FileStore``: a CSV file, read as far as it can be, and written as they read it."""

import csv
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.transfer.layouts import (
    FIELD_OF,
    FILES,
    FileLayout,
    Layout,
    SourceRow,
    layout_of,
)

__all__ = ["FileStoreSource", "filestore_lines"]

BY_WIDTH: Final = {
    len(columns[:width]): Layout(tuple(FIELD_OF[name] for name in columns[:width]))
    for columns, width in ((FILES["A"], 6), (FILES["C"], 9), (FILES["C"], 10))
}
"""The layout of lines without a header: contract B's columns are C's, but for the last."""


class FileStoreSource:
    """The tokens in a file of any SDK's ``FileStore``.

    Two processes that write such a file at once leave lines cut, doubled or without a header. Each
    line stands for itself, so that one that is damaged costs no other.

    Args:
        path: The file.

    Attributes:
        total: Its size in bytes.

    Raises:
        SourceError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Look at the file."""
        self._path = path
        try:
            self.total = path.stat().st_size
            with path.open("rb"):
                pass
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield its rows, those that cannot be used with the reason."""
        layout: Layout | None = None
        width = size = 0
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                size += len(raw)
                where = f"line {number}"
                try:
                    values = _values(raw)
                except csv.Error as error:
                    yield SourceRow(where, None, f"it is not CSV: {error}", size)
                    size = 0
                    continue
                if not any(values):
                    continue
                if values[0] in FIELD_OF and (found := layout_of(values)):
                    layout, width = found, len(values)
                    continue
                if layout is None:  # the header was lost
                    width = self._usual_width()
                    layout = BY_WIDTH[width]
                if len(values) == width:
                    yield layout.row(where, values, size)
                else:
                    # It can have as many as another layout, and secrets in the wrong places.
                    problem = f"it has {len(values)} columns instead of {width}: it was cut"
                    yield SourceRow(where, None, problem, size)
                size = 0

    def _usual_width(self) -> int:
        """Return the number of columns that most lines have, of those that an SDK's file can."""
        with self._path.open("rb") as file:
            widths = Counter(line.count(b",") + 1 for line in file)
        return max(BY_WIDTH, key=lambda width: widths[width])


def _values(line: bytes) -> list[str]:
    # What is not UTF-8 becomes text that no token may hold.
    text = line.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    return next(csv.reader([text.rstrip("\r\n")]), [])


def filestore_lines(
    tokens: Iterable[TokenRecord], layout: FileLayout, first_number: int
) -> Iterator[list[str]]:
    """Yield the lines of a file that the SDKs of a contract can use, the header first.

    Args:
        tokens: What shall be in it.
        layout: The contract.
        first_number: The first id to give to tokens whose id is no number: contract C's store
            makes new ids by counting on, and fails over any other.
    """
    columns = FILES[layout]
    yield list(columns)
    for token in tokens:
        row = token
        if layout == "C" and not is_number(token.id):
            row = token.with_id(str(first_number))
            first_number += 1
        values = (getattr(row, FIELD_OF[name]) for name in columns)
        yield ["" if value is None else str(value) for value in values]


def is_number(key: str | None) -> bool:
    """Tell whether contract C's stores can count on from an id."""
    return key is not None and key.isascii() and key.isdecimal()
