"""A directive for sequence diagrams: lines of text become an SVG in the colors of the page.

Each line is ``sender -> receiver: text``, or ``participant: text`` for what one of them does. The
argument says in words what the diagram shows, for those who do not see it.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COLUMN: Final = 120
ROW: Final = 44
MARGIN: Final = 44
TOP: Final = 60


class Sequence(SphinxDirective):
    """Draw a sequence diagram."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the diagram as part of the page."""
        steps = [_step(line) for line in self.content if line.strip()]
        return [nodes.raw("", _svg(steps, self.arguments[0]), format="html")]


def _step(line: str) -> tuple[str, str, str]:
    """Return sender, receiver and text of a line."""
    ends, _, text = line.partition(":")
    sender, _, receiver = (part.strip() for part in ends.partition("->"))
    return sender, receiver or sender, text.strip()


def _svg(steps: list[tuple[str, str, str]], meaning: str) -> str:
    names = list(dict.fromkeys(name for step in steps for name in step[:2]))
    places = {name: MARGIN + COLUMN * number for number, name in enumerate(names)}
    width = 2 * MARGIN + COLUMN * (len(names) - 1)
    height = TOP + ROW * len(steps) + 20
    parts = [
        f'<line class="life" x1="{x}" y1="40" x2="{x}" y2="{height}"/>'
        f'<text class="name" x="{x}" y="24">{escape(name)}</text>'
        for name, x in places.items()
    ]
    for number, (sender, receiver, text) in enumerate(steps):
        y = TOP + ROW * number + 20
        parts.append(_arrow(places[sender], places[receiver], y, text))
    return picture("sequence", (width, height), parts, meaning)


def _arrow(start: int, end: int, y: int, text: str) -> str:
    if start == end:
        return f'<text class="own" x="{start}" y="{y + 4}">{escape(text)}</text>'
    middle = (start + end) // 2
    return f'{arrow((start, y), (end, y))}<text x="{middle}" y="{y - 7}">{escape(text)}</text>'


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return an arrow between two points."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="sent" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" marker-end="url(#tip)"/>'


def picture(kind: str, size: tuple[int, int], parts: Iterable[str], meaning: str) -> str:
    """Return an SVG that is part of the page, with the class of its kind."""
    width, height = size
    return (
        f'<div class="{kind}"><svg role="img" aria-label="{escape(meaning)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" xmlns="http://www.w3.org/2000/svg">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        f"{''.join(parts)}</svg></div>"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("sequence", Sequence)
    return {"parallel_read_safe": True}
