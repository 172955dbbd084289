"""Tables for terminals of any width."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from zoho_tokenstore.cli.console import data, messages
from zoho_tokenstore.storage.ids import SHORT_ID
from zoho_tokenstore.tokens.text import harmless

__all__ = ["print_table", "short_ids"]

GAP: Final = 2
"""Blanks between the columns of a table."""


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    optional: Sequence[str] = (),
    styles: Sequence[str | None] = (),
) -> None:
    """Print a table as wide as the terminal.

    Where it is too narrow, columns are left out before values are wrapped.

    Args:
        columns: Headings.
        rows: Values in the order of the columns; ``None`` is shown as nothing.
        optional: Columns that may be left out, in this order.
        styles: Style of each row; rows beyond them have none.
    """
    cells = {
        name: [Text(harmless(name)), *(_cell(row[index]) for row in rows)]
        for index, name in enumerate(columns)
    }
    left_out = []
    for name in optional:
        if _width_of(cells) <= data.console.width:
            break
        left_out.append(name)
        del cells[name]
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for name in cells:
        table.add_column(cells[name][0], overflow="fold", no_wrap=name == "id")
    for row, style in zip_longest(zip(*(each[1:] for each in cells.values()), strict=True), styles):
        table.add_row(*row, style=style)
    data.console.print(table, soft_wrap=False)
    if left_out:
        messages.print(f"not shown on {data.console.width} columns: {', '.join(left_out)}")


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return the first characters of each id, at least eight and so many that they differ."""
    distinct = set(ids)
    lengths = range(SHORT_ID, max(map(len, distinct), default=0))
    length = next((n for n in lengths if len({i[:n] for i in distinct}) == len(distinct)), None)
    return {token_id: token_id[:length] for token_id in distinct}


def _width_of(cells: Mapping[str, Sequence[Text]]) -> int:
    widths = (max(cell_len(text.plain) for text in texts) for texts in cells.values())
    return sum(widths) + GAP * (len(cells) - 1)


def _cell(value: object) -> Text:
    return Text("" if value is None else harmless(value))
