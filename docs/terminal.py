"""A directive that runs a command of the package and shows what a terminal of 80 columns would.

The output becomes a block of text or, with ``:picture:`` and a text for those who do not see it, an
SVG. Commands work on a small database, and what differs from build to build is replaced.
"""

import logging
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256, sha512
from html import escape
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from docutils import nodes
from docutils.parsers.rst import directives
from rich.console import Console
from rich.text import Text
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

WIDTH: Final = 80
NOW: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
"""What the outputs show as the time of the build, to the minute."""

KEY: Final = "20261123-3841c2:" + "A" * 43
SHOWN_FOLDER: Final = "/var/lib/myapp"
SEALED: Final = b64encode(sha512(b"sealed").digest()).decode()
MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d")
SPINNER: Final = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r?\x1b\[1A\x1b\[2K", re.DOTALL)


class Terminal(SphinxDirective):
    """Show a command and its output."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {"picture": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the output as part of the page."""
        self.env.note_reread()  # the command may have changed, and the page has not
        command = self.arguments[0]
        output = _output(command)
        if meaning := self.options.get("picture"):
            return [nodes.raw("", _picture(command, output, meaning), format="html")]
        lines = [line.rstrip() for line in Text.from_ansi(output).plain.splitlines()]
        text = "\n".join([f"$ zoho-tokenstore {command}", *lines])
        return [nodes.literal_block(text, text, language="console")]


@cache
def _database() -> TemporaryDirectory[str]:
    """Make a database: one user is logged in, one refreshed, and one has no refresh token."""
    folder = TemporaryDirectory()
    path = Path(folder.name, "tokens.db")
    with SQLAlchemyTokenStore(f"sqlite:///{path}", keyring=Keyring.from_text(KEY)) as store:
        for number, (user, minutes) in enumerate({"alice": 42, "bob": -5, "carol": 17}.items()):
            store.save_tokens([_token(user, number, minutes)])
        store.save_tokens([_token("bob", 1, 60)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE oauthtoken_audit SET host = 'web-1', process = 4711")
    return folder


def _token(user: str, number: int, minutes: int) -> OAuthToken:
    token = OAuthToken(
        client_id="1000.MYCLIENT",
        client_secret=_hex(f"secret of {user}"),
        refresh_token=None if user == "carol" else f"1000.{_hex(user)}.{_hex(user[::-1])}",
        access_token=f"1000.{_hex(f'{user}{minutes}')}.{_hex(f'{minutes}{user}')}",
        user_signature=UserSignature(f"{user}@example.com:60001234567"),
        id=_hex(str(number)),
        api_domain="https://www.zohoapis.com",
    )
    token.set_expires_in(str(int(time.time() + minutes * 60) * 1000))
    return token


def _hex(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def _output(command: str) -> str:
    folder = _database().name
    ours = ("ZOHO_TOKENSTORE_", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    settings = {"URL": "sqlite:///tokens.db", "KEYS": KEY}
    environment = {f"ZOHO_TOKENSTORE_{name}": value for name, value in settings.items()} | {
        "PYTHONUNBUFFERED": "1",  # so that messages come after data
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
        "COLUMNS": str(WIDTH),
    }
    began = datetime.now(UTC)
    done = subprocess.run(  # noqa: S603 - the package's own command
        [sys.executable, "-m", "zoho_tokenstore", *shlex.split(command)],
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    printed = SPINNER.sub("", done.stdout.decode()).replace(os.path.realpath(folder), SHOWN_FOLDER)
    return _with_fixed_values(printed.replace(folder, SHOWN_FOLDER), began, command)


def _with_fixed_values(text: str, began: datetime, command: str) -> str:
    """Replace times, measurements and random values."""

    def shifted(found: re.Match[str]) -> str:
        day = found[1] or f"{began:%Y-%m-%d }"
        moment = datetime.fromisoformat(f"{day}{found[0].removeprefix(day)}Z")
        minutes = round((moment - began) / timedelta(minutes=1))
        if not found[1]:  # it may be past midnight
            minutes %= 24 * 60
        shown = f"{NOW + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"
        return shown if found[1] else shown[11:]

    text = MOMENT.sub(shifted, text)
    text = re.sub(r"\d+(\.\d+)? ms", "0.1 ms", text)
    text = re.sub(r"by [+-]0\.\d s", "by +0.0 s", text)
    if command == "demo":
        text = re.sub(r"'sqlite:.*?tokens.db'", f"'sqlite:///{SHOWN_FOLDER}/tokens.db'", text)
        text = re.sub(r"file: .*tokens.db", f"file: {SHOWN_FOLDER}/tokens.db", text)
        text = re.sub(r"(?m)^[\w+/]{72}(?=…)", SEALED[:72], text)
        text = _renamed(r"(?m)^[0-9a-f]{8}(?= )", text, lambda number: _hex(str(number))[:8])
        text = _renamed(
            r"1000\.[0-9a-f]{2}(?=…)", text, lambda number: f"1000.{19 * number + 7:02x}"
        )
    return text


def _renamed(pattern: str, text: str, name: Callable[[int], str]) -> str:
    seen: dict[str, str] = {}
    return re.sub(pattern, lambda found: seen.setdefault(found[0], name(len(seen))), text)


def _picture(command: str, output: str, meaning: str) -> str:
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output))
    kind = f"terminal-{command.partition(' ')[0]}"
    svg = console.export_svg(title=f"zoho-tokenstore {command}", unique_id=kind)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # from another server
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(meaning)}" ', 1)
    return f'<div class="terminal">{svg}</div>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # Sphinx would show its progress
    app.add_directive("terminal", Terminal)
    return {"parallel_read_safe": True}
