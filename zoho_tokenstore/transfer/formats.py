"""Formats that operators take for the CSV file of a FileStore, told by their first bytes."""

import codecs
import re
from itertools import pairwise
from typing import Final

from zoho_tokenstore.transfer.layouts import FILES

__all__ = ["EXPECTED", "HEAD_SIZE", "advice_on", "is_utf16"]

HEAD_SIZE: Final = 65_536
"""Bytes to look at."""

SHORTEST: Final = 3
"""Characters of UTF-16 without a byte order mark that can be told from anything else."""

EXPECTED: Final = (
    f"a file of an SDK's FileStore begins with a header such as {','.join(FILES['C'])}"
)

CONVERT: Final = f"convert it to CSV; {EXPECTED}"
SAVE: Final = f"save it as UTF-8, with commas; {EXPECTED}"

BEGINNINGS: Final = (
    (re.compile(rb"SQLite format 3\0"), "an SQLite database: run zoho-tokenstore import sqlite"),
    (re.compile(rb"\x80[\x02-\x05]"), f"a Python pickle: {CONVERT}"),
    (re.compile(rb"PK\x03\x04"), f"a spreadsheet or ZIP archive: {CONVERT}"),
    (re.compile(rb"\s*[\[{]"), "JSON: run zoho-tokenstore import json"),
    (re.compile(rb"\s*(<\?php|[aO]:\d+:[{\"]|s:\d+:\")"), f"serialized PHP: {CONVERT}"),
    (re.compile(rb"\s*<"), f"XML or HTML: {CONVERT}"),
)
SEPARATORS: Final = ((b";", "semicolons"), (b"\t", "tabs"), (b"|", "vertical bars"))


def advice_on(head: bytes) -> str:
    """Return what a file is instead of CSV and what to do about it, empty for CSV.

    Args:
        head: First bytes of the file.
    """
    if is_utf16(head):
        return f"is UTF-16: {SAVE}"
    for beginning, what in BEGINNINGS:
        if beginning.match(head):
            return f"is {what}"
    first = head.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    for separator, name in SEPARATORS:
        if first.count(separator) > max(1, first.count(b",")):
            return f"separates its columns by {name}: {SAVE}"
    return ""


def is_utf16(head: bytes) -> bool:
    """Return whether text begins with a byte order mark of UTF-16, or every other byte is zero."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    zeros = [(not first, not second) for first, second in list(pairwise(head[:32]))[::2]]
    return len(zeros) >= SHORTEST and len(set(zeros)) == 1 and sum(zeros[0]) == 1
