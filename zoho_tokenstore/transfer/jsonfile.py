"""JSON files: our own export, and what other stores and secrets managers print."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final, TextIO

from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.transfer.columns import ColumnOptions, field_of
from zoho_tokenstore.transfer.formats import HEAD_SIZE, is_utf16
from zoho_tokenstore.transfer.layouts import AS_NAMED, TOKEN_FIELDS, Layout, SourceRow

__all__ = ["JSONSource"]

CHUNK: Final = 65_536
LONGEST: Final = 2**26
"""Characters of the longest document."""

DEEPEST: Final = 5
"""Levels of objects and texts around a token."""

BETWEEN: Final = re.compile(r"[\s,\[\]]*")
NEXT_OBJECT: Final = re.compile(r"\n[\s,\[]*(?={)")
EXTENDED: Final = ("$date", "$numberLong", "$numberDouble", "$numberInt", "$numberDecimal", "$oid")
"""Keys of MongoDB's Extended JSON, each alone in the object of a value."""


class JSONSource:
    """The tokens in a file of JSON objects: a list, lines, or objects within one another.

    Args:
        path: Path of the file.
        options: What the operator says about the fields.

    Attributes:
        total: Number of objects.
        unread: Names of fields that are not read.

    Raises:
        SourceError: The file is not readable or not JSON, or its objects lack fields.
    """

    def __init__(self, path: Path, options: ColumnOptions = AS_NAMED) -> None:
        """Read the names of all fields: an absent field of one object may be set in another."""
        self._path = path
        self._options = options
        names: dict[str, None] = {}
        self.total = 0
        try:
            _check_format(path)
            for _, found in self._objects():
                self.total += 1
                names |= dict.fromkeys(found if isinstance(found, dict) else ())
        except OSError as error:
            raise SourceError(f"{path} is not readable: {error.strerror}") from error
        self._columns = list(names)
        self._layout = Layout(self._columns, options)
        if self._columns and self._layout.problem:
            raise SourceError(f"{path} {self._layout.problem}")
        self.unread = self._layout.unread

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield the rows, unusable ones with the reason."""
        for place, found in self._objects():
            if isinstance(found, str):
                yield SourceRow(place, None, found)
            else:
                values = [_plain(found.get(name)) for name in self._columns]
                yield self._layout.parse_row(place, values)

    def _objects(self) -> Iterator[tuple[str, dict[str, Any] | str]]:
        """Yield the objects with a token and their places, or the problem there."""
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            numbers = count(1)
            for line, document in _documents(file):
                if isinstance(document, ValueError):
                    yield f"line {line}", f"invalid JSON: {document}"
                    continue
                empty = True
                for found in self._with_token(document, DEEPEST):
                    empty = False
                    yield f"object {next(numbers)} (line {line})", found
                if empty:
                    yield f"line {line}", "no object with a token"

    def _with_token(self, document: object, depth: int) -> Iterator[dict[str, Any]]:
        if isinstance(document, str) and document.lstrip()[:1] in ("{", "["):
            try:
                document = json.loads(document)
            except (ValueError, RecursionError):
                return
        if isinstance(document, dict) and self._has_token(document):
            yield document
        elif depth and isinstance(document, dict | list):
            inner = document.values() if isinstance(document, dict) else document
            for each in inner:
                yield from self._with_token(each, depth - 1)

    def _has_token(self, document: Mapping[str, Any]) -> bool:
        theirs = (self._options.columns.get(name) for name in TOKEN_FIELDS)
        return any(field_of(name) in TOKEN_FIELDS for name in document) or any(
            name in document for name in theirs
        )


def _check_format(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
    if is_utf16(head):
        raise SourceError(f"{path} is UTF-16: save it as UTF-8")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"", b"{", b"["):
        raise SourceError(f"{path} is not JSON: it begins with neither an object nor a list")


def _documents(file: TextIO) -> Iterator[tuple[int, object]]:
    """Yield the elements of lists and all other documents with their lines.

    An error stands for a document that cannot be decoded; the next one is on a line of its own.
    """
    decoder = json.JSONDecoder(strict=False)
    text, position, line = "", 0, 1
    while True:
        start = _end(BETWEEN, text, position)
        line += text.count("\n", position, start)
        position = start
        try:
            document, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            text, position = text[position:], 0
            # Twice as much each time, because the document is decoded from its beginning again.
            more = "" if len(text) > LONGEST else file.read(max(CHUNK, len(text)))
            if more:
                text += more
                continue
            if position == len(text):
                return
            yield line, ValueError(getattr(error, "msg", "too deep or too long"))
            end = _end(NEXT_OBJECT, text, position)
        else:
            yield line, document
        line += text.count("\n", position, end)
        position = end


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where the next match ends, the end of the text without one."""
    found = pattern.search(text, position)
    return len(text) if found is None else found.end()


def _plain(value: object) -> object:
    """Return the value in an object of MongoDB's Extended JSON, and any other as it is."""
    while isinstance(value, dict) and len(value) == 1 and next(iter(value)) in EXTENDED:
        (value,) = value.values()
    return value
