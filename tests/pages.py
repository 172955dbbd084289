"""The Python examples of a page, with the output that the page promises."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pytest_examples import find_examples

OUTPUT = re.compile(r"\s*```text\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """A block of Python.

    Attributes:
        source: The code.
        output: The text block that follows directly: what the code prints. ``None`` without one.
    """

    source: str
    output: str | None


def examples_of(page: Path) -> list[Example]:
    """Return the page's examples, without those for an SDK that is not installed."""
    lines = page.read_text().splitlines(keepends=True)
    examples = []
    for found in find_examples(page):
        if "py" in found.prefix and ("zcrmsdk." not in found.source or find_spec("zcrmsdk")):
            output = OUTPUT.match("".join(lines[found.end_line :]))
            printed = output[1] if output and "print(" in found.source else None
            examples.append(Example(found.source, printed))
    return examples
