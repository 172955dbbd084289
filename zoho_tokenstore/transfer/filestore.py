"""Files of an SDK's ``FileStore``: CSV, possibly damaged by concurrent writers."""

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

__all__ = ["FileStoreSource", "filestore_lines", "is_numeric_id"]

BY_WIDTH: Final = {
    len(columns[:width]): Layout(tuple(FIELD_OF[name] for name in columns[:width]))
    for columns, width in ((FILES["A"], 6), (FILES["C"], 9), (FILES["C"], 10))
}
"""Layout of lines without a header: contract B has the columns of C without the last."""


class FileStoreSource:
    """The tokens in a file of any SDK's ``FileStore``.

    Processes that write such a file concurrently leave truncated or duplicated lines, or lose the
    header. Each line is parsed on its own, so a damaged line does not affect others.

    Args:
        path: Path of the file.

    Attributes:
        total: Size of the file in bytes.

    Raises:
        SourceError: The file is not readable.
    """

    def __init__(self, path: Path) -> None:
        """Check that the file can be read."""
        self._path = path
        try:
            self.total = path.stat().st_size
            with path.open("rb"):
                pass
        except OSError as error:
            raise SourceError(f"{path} is not readable: {error.strerror}") from error

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield the rows, unusable ones with the reason."""
        layout: Layout | None = None
        width = size = 0
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                size += len(raw)
                place = f"line {number}"
                try:
                    values = _values(raw)
                except csv.Error as error:
                    yield SourceRow(place, None, f"invalid CSV: {error}", size)
                    size = 0
                    continue
                if not any(values):
                    continue
                if values[0] in FIELD_OF and (found := layout_of(values)):
                    layout, width = found, len(values)
                    continue
                if layout is None:  # the header is missing
                    width = self._usual_width()
                    layout = BY_WIDTH[width]
                if len(values) == width:
                    yield layout.parse_row(place, values, size)
                else:
                    # Another layout may have this width, but with secrets in other columns.
                    problem = f"damaged line: expected {width} columns, found {len(values)}"
                    yield SourceRow(place, None, problem, size)
                size = 0

    def _usual_width(self) -> int:
        """Return the most frequent number of columns that an SDK's file can have."""
        with self._path.open("rb") as file:
            widths = Counter(line.count(b",") + 1 for line in file)
        return max(BY_WIDTH, key=lambda width: widths[width])


def _values(line: bytes) -> list[str]:
    # Invalid UTF-8 becomes surrogates, which are rejected in tokens.
    text = line.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    return next(csv.reader([text.rstrip("\r\n")]), [])


def filestore_lines(
    tokens: Iterable[TokenRecord], layout: FileLayout, first_number: int
) -> Iterator[list[str]]:
    """Yield the header and the lines of a file for the SDKs of a contract.

    Args:
        tokens: Tokens to write.
        layout: Contract of the SDKs.
        first_number: First id for tokens whose id is not a number: contract C's ``FileStore``
            increments ids, and fails for any other.
    """
    columns = FILES[layout]
    yield list(columns)
    for token in tokens:
        row = token
        if layout == "C" and not is_numeric_id(token.id):
            row = token.with_id(str(first_number))
            first_number += 1
        values = (getattr(row, FIELD_OF[name]) for name in columns)
        yield ["" if value is None else str(value) for value in values]


def is_numeric_id(token_id: str | None) -> bool:
    """Return whether contract C's ``FileStore`` can increment an id."""
    return token_id is not None and token_id.isascii() and token_id.isdecimal()
