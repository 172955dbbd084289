"""Export of tokens to a file that only its owner can read, and that is replaced atomically."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import TextIO

from zoho_tokenstore.errors import SourceError
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["write_csv", "write_json"]


def write_csv(path: Path, lines: Iterable[list[str]]) -> None:
    """Write the lines of a CSV file in the format of the SDKs.

    Raises:
        SourceError: The file is not writable; an existing file is unchanged.
    """
    with _replacing(path) as file:
        csv.writer(file).writerows(lines)


def write_json(path: Path, tokens: Iterable[TokenRecord]) -> None:
    """Write a JSON list with one object per line; absent fields are omitted.

    Raises:
        SourceError: The file is not writable; an existing file is unchanged.
    """
    with _replacing(path) as file:
        separator = "[\n"
        for token in tokens:
            file.write(separator + json.dumps(token.known()))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Open a private temporary file in the same folder, and rename it to the path at the end."""
    try:
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
    except OSError as error:
        raise SourceError(f"{path} is not writable: {error.strerror}") from error
