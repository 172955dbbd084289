"""Exports all tokens to a file of its owner's only, which appears when it is complete."""

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
    """Write lines as the SDKs do.

    Raises:
        SourceError: The file cannot be written; one that was there stays.
    """
    with _replacing(path) as file:
        csv.writer(file).writerows(lines)


def write_json(path: Path, tokens: Iterable[TokenRecord]) -> None:
    """Write a list of objects, one on each line, with the fields that are there.

    Raises:
        SourceError: As from :func:`write_csv`.
    """
    with _replacing(path) as file:
        separator = "[\n"
        for token in tokens:
            file.write(separator + json.dumps(token.known()))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Open a file beside the path, private to its owner, and put it there at the end."""
    try:
        number, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(number, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
                yield file
                file.flush()
                os.fsync(number)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror}") from error
