"""A directive for pictures of boxes and arrows, drawn like the sequence diagrams.

A line ``name = columns, rows: title | text`` is a box, with ``~`` instead of ``=`` a frame around
boxes, and ``name -> name`` an arrow. Columns and rows are numbers or ranges such as ``0-2``. The
argument says in words what the picture shows, for those who do not see it.
"""

import re
from html import escape
from typing import Final, NamedTuple

from docutils import nodes
from sequence import arrow, picture
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COLUMN: Final = 61
ROW: Final = 84
LINE: Final = 16
INSETS: Final = {"=": (6, 15), "~": (1, 2)}
"""Room around a box, and around a frame, within its columns and rows."""

BOX: Final = re.compile(r"(\w+) ([=~]) ([\d-]+), ([\d-]+): (.*)")


class Box(NamedTuple):
    """A box or a frame: its edges and its lines of text."""

    kind: str
    left: int
    right: int
    top: int
    bottom: int
    lines: list[str]

    @property
    def middle(self) -> int:
        """The middle of its width."""
        return (self.left + self.right) // 2


class Boxes(SphinxDirective):
    """Draw a picture of boxes and arrows."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the picture as part of the page."""
        drawn = _svg([line for line in self.content if line.strip()], self.arguments[0])
        return [nodes.raw("", drawn, format="html")]


def _svg(lines: list[str], meaning: str) -> str:
    places = {found[1]: _box(*found.groups()[1:]) for line in lines if (found := BOX.match(line))}
    ends = [line.split(" -> ") for line in lines if not BOX.match(line)]
    width = max(box.right for box in places.values()) + 1
    height = max(box.bottom for box in places.values()) + 1
    arrows = [_between(places[start], places[end]) for start, end in ends]
    return picture("boxes", (width, height), [*map(_drawn, places.values()), *arrows], meaning)


def _box(kind: str, columns: str, rows: str, text: str) -> Box:
    aside, above = INSETS[kind]
    first_column, last_column = _ends(columns)
    first_row, last_row = _ends(rows)
    return Box(
        kind,
        first_column * COLUMN + aside,
        (last_column + 1) * COLUMN - aside,
        first_row * ROW + above,
        (last_row + 1) * ROW - above,
        [escape(line.strip()) for line in text.split("|")],
    )


def _ends(span: str) -> tuple[int, int]:
    first, _, last = span.partition("-")
    return int(first), int(last or first)


def _drawn(box: Box) -> str:
    shape = (
        f'<rect class="{"box" if box.kind == "=" else "frame"}" x="{box.left}" y="{box.top}" '
        f'width="{box.right - box.left}" height="{box.bottom - box.top}" rx="4"/>'
    )
    if box.kind == "~":
        place = f'x="{box.left + 5}" y="{box.top + 12}"'
        return f'{shape}<text class="title" {place}>{box.lines[0]}</text>'
    first = (box.top + box.bottom - (len(box.lines) - 1) * LINE) // 2 + 4
    return shape + "".join(
        f'<text class="{"more" if number else "name"}" x="{box.middle}" '
        f'y="{first + number * LINE}">{line}</text>'
        for number, line in enumerate(box.lines)
    )


def _between(start: Box, end: Box) -> str:
    """Return an arrow: across between boxes in one row, else down or up, upright if possible."""
    top, bottom = max(start.top, end.top), min(start.bottom, end.bottom)
    if top < bottom:
        y = (top + bottom) // 2
        if start.right <= end.left:
            return arrow((start.right, y), (end.left, y))
        return arrow((start.left, y), (end.right, y))
    left, right = max(start.left, end.left), min(start.right, end.right)
    x1, x2 = ((left + right) // 2,) * 2 if left < right else (start.middle, end.middle)
    if start.bottom <= end.top:
        return arrow((x1, start.bottom), (x2, end.top))
    return arrow((x1, start.top), (x2, end.bottom))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("boxes", Boxes)
    return {"parallel_read_safe": True}
