"""Generates the reference of all options from the command line: ``python docs/options.py``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from zoho_tokenstore.cli import app

PAGE: Final = Path(__file__).parent / "reference" / "options.md"

NAMES: Final = re.compile(r"--[\w-]+|ZOHO_TOKENSTORE_\w+")
"""Options and variables in a help text: two hyphens would become a dash."""


def commands_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - Typer's, or click's
    """Yield every command with its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{name} ")
        else:
            yield prefix + name, command


def page() -> str:
    """Return the page with the help texts of all commands."""
    lines = ["# Options", "", "The texts of `--help` for every command."]
    for name, command in sorted(commands_of(typer.main.get_command(app))):
        lines += ["", f"## {name}", "", _text(command.help), ""]
        for parameter in command.params:
            names = [option for option in parameter.opts if option.startswith("-")]
            shown = ", ".join(names) or parameter.metavar or parameter.name.upper()
            lines.append(f"- `{shown}`: {_text(parameter.help)}")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return NAMES.sub(r"`\g<0>`", " ".join(text.split()))


if __name__ == "__main__":
    PAGE.write_text(page())
