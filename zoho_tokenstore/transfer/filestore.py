"""Files of an SDK's ``FileStore``: CSV, possibly damaged by concurrent writers."""

import csv
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import BinaryIO, Final

from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.transfer.columns import ColumnOptions, field_of
from zoho_tokenstore.transfer.formats import EXPECTED, HEAD_SIZE, advice_on
from zoho_tokenstore.transfer.layouts import (
    AS_NAMED,
    FILES,
    TOKEN_FIELDS,
    FileLayout,
    Layout,
    SourceRow,
)

__all__ = ["FileStoreSource", "filestore_lines", "is_numeric_id"]

LONGEST: Final = 2**20
"""Characters of the longest value, and bytes of the longest record with line breaks."""

BY_WIDTH: Final = {
    len(columns): columns for columns in (FILES["A"], FILES["B"], FILES["C"][:-1], FILES["C"])
}
"""Columns of lines without a header: contract B has those of C without the last."""


class FileStoreSource:
    """The tokens in a file of any SDK's ``FileStore``.

    Processes that write such a file concurrently leave truncated or duplicated lines, or lose the
    header. Each line is parsed on its own, so a damaged line does not affect others. Only a quoted
    value with line breaks joins lines, if the record that they make is complete.

    Args:
        path: Path of the file.
        options: What the operator says about the columns.

    Attributes:
        total: Size of the file in bytes.
        unread: Names of columns that are not read.

    Raises:
        SourceError: The file is not readable or not a FileStore's.
    """

    def __init__(self, path: Path, options: ColumnOptions = AS_NAMED) -> None:
        """Check that the file can be read, and look for its header."""
        self._path = path
        self._options = options
        try:
            self.total = path.stat().st_size
            with path.open("rb") as file:
                advice = advice_on(file.read(HEAD_SIZE))
        except OSError as error:
            raise SourceError(f"{path} is not readable: {error.strerror}") from error
        if advice:
            raise SourceError(f"{path} {advice}")
        self._columns = self._first_columns()
        self._layout = Layout(self._columns, options)
        if self._columns and self._layout.problem:
            raise SourceError(f"{path} {self._layout.problem}; {EXPECTED}")
        self.unread = self._layout.unread

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield the rows, unusable ones with the reason."""
        csv.field_size_limit(max(LONGEST, csv.field_size_limit()))
        layout, width, done = self._layout, len(self._columns), 0
        with self._path.open("rb") as file:
            lines = _Lines(file)
            for number, raw in lines:
                try:
                    values = lines.completed(raw, width) or _values(raw)
                    problem = ""
                except csv.Error as error:
                    values, problem = [str(error)], f"invalid CSV: {error}"
                if not any(values):
                    continue
                # Most lines hold one of Zoho's tokens, and no header does.
                if not problem and b"1000." not in raw and self._is_header(values):
                    if (found := self._later_layout(values)) is not None:
                        layout, width = found, len(values)
                        continue
                    problem = "damaged header"
                elif len(values) != width:
                    # Another layout may have this width, but with secrets in other columns.
                    problem = problem or (
                        f"damaged line: expected {width} columns, found {len(values)}"
                    )
                place, size = f"line {number}", lines.position - done
                done = lines.position
                if problem:
                    yield SourceRow(place, None, problem, size)
                else:
                    yield layout.parse_row(place, values, size)

    def _first_columns(self) -> Sequence[str]:
        """Return the names in the header, or those that the SDK's file of this width has.

        Raises:
            SourceError: The file has neither.
        """
        with self._path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"")
            file.seek(0)
            widths = Counter(line.count(b",") + 1 for line in file)
        values = [] if len(first) > LONGEST else _values(first)
        if not values:
            return values
        if self._is_header(values) and not _lost_its_beginning(values):
            return values
        width = max(BY_WIDTH, key=lambda width: widths[width])
        if not widths[width]:
            raise SourceError(f"{self._path} has no header and no line with tokens: {EXPECTED}")
        return BY_WIDTH[width]

    def _is_header(self, values: Sequence[str]) -> bool:
        """Return whether the values name a token and another field, as those of no token do."""
        theirs = {column: name for name, column in self._options.columns.items()}
        known = {theirs.get(value) or field_of(value) for value in values} - {None}
        return len(known) > 1 and not known.isdisjoint(TOKEN_FIELDS)

    def _later_layout(self, values: Sequence[str]) -> Layout | None:
        """Return the layout of a header, ``None`` for one that lost a part."""
        layout = Layout(values, self._options)
        is_whole = values == self._columns or not (layout.problem or layout.unread)
        return layout if is_whole and not _lost_its_beginning(values) else None


class _Lines:
    """The lines of a file with their numbers, and some read ahead.

    Attributes:
        position: Number of bytes of the lines that were taken.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead: list[bytes] = []
        self._number = 0
        self.position = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while line := self._ahead.pop(0) if self._ahead else self._file.readline():
            self._number += 1
            self.position += len(line)
            yield self._number, line

    def completed(self, line: bytes, width: int) -> list[str] | None:
        """Return the values of a record whose first line ends within a quoted value.

        Args:
            line: First line, which was taken.
            width: Number of columns.

        Returns:
            The values, ``None`` if the line is a record of its own or damaged.
        """
        if not line.count(b'"') % 2:
            return None
        length = 0
        for used, following in enumerate(self._following(), 1):
            length += len(following)
            if following.count(b'"') % 2:
                return self._joined(line, used, width)
            if length > LONGEST or _is_whole_record(following, width):
                break  # the quote was never closed
        return None

    def _following(self) -> Iterator[bytes]:
        yield from list(self._ahead)
        while line := self._file.readline():
            self._ahead.append(line)
            yield line

    def _joined(self, line: bytes, used: int, width: int) -> list[str] | None:
        record = b"".join((line, *self._ahead[:used]))
        try:
            values = _values(record, strict=True)
        except csv.Error:
            return None
        if len(values) != width:
            return None
        del self._ahead[:used]
        self._number += used
        self.position += len(record) - len(line)
        return values


def _is_whole_record(line: bytes, width: int) -> bool:
    """Return whether a line is a record as it is written, and no part of one."""
    try:
        values = _values(line, strict=True)
    except csv.Error:
        return False
    written = StringIO()
    csv.writer(written, lineterminator="").writerow(values)
    return len(values) == width and written.getvalue() == _decoded(line)


def _lost_its_beginning(values: Sequence[str]) -> bool:
    """Return whether these are the SDKs' columns, but for the beginning of the first name."""
    columns = BY_WIDTH.get(len(values), ())
    return tuple(values[1:]) == columns[1:] and field_of(values[0]) is None


def _values(line: bytes, *, strict: bool = False) -> list[str]:
    return next(csv.reader([_decoded(line)], strict=strict), [])


def _decoded(line: bytes) -> str:
    # Invalid UTF-8 becomes surrogates, which are rejected in tokens.
    text = line.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    return text.rstrip("\r\n")


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
        values = (getattr(row, field_of(name) or "") for name in columns)
        yield ["" if value is None else str(value) for value in values]


def is_numeric_id(token_id: str | None) -> bool:
    """Return whether contract C's ``FileStore`` can increment an id."""
    return token_id is not None and token_id.isascii() and token_id.isdecimal()
