"""Export of tokens: the formats, and the file that they are written to."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import TextIO

from zoho_tokenstore.errors import SourceError, TokenStoreError
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["open_target", "write_csv", "write_json"]


def write_csv(file: TextIO, lines: Iterable[list[str]]) -> None:
    """Write the lines of a CSV file in the format of the SDKs."""
    csv.writer(file).writerows(lines)


def write_json(file: TextIO, tokens: Iterable[TokenRecord]) -> None:
    """Write a JSON list with one object per line; absent fields are omitted."""
    separator = "[\n"
    for token in tokens:
        file.write(separator + json.dumps(token.known()))
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


@contextmanager
def open_target(path: Path) -> Iterator[TextIO]:
    """Open a file for an export, UTF-8 without changes of line ends.

    A regular file appears, or is replaced, at the end of the block, and only its owner can read it;
    a symbolic link to it stays. A named pipe or a device is written as it is.

    Raises:
        SourceError: The file is not writable; an existing file is unchanged.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
        else:
            with _replacing(path.resolve()) as file:
                yield file
    except TokenStoreError:  # some are an OSError too, of the database
        raise
    except OSError as error:
        raise SourceError(f"{path} is not writable: {error.strerror}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Open a private temporary file in the same folder, and rename it to the path at the end."""
    number, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(number)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
