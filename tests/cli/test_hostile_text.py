"""Text of others, such as user names, reaches neither a terminal nor a pipe as it is."""

import re

import pytest

from commands import run_in_terminal, run_process
from support import login, make_token
from tables import save
from zoho_tokenstore.tokens.text import harmless

HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J",
    "C1 clear": "\x9b2J",
    "next line": "\x85id: forged",
    "line break": "\nid: forged",
    "carriage return": "\rid: forged",
    "line separator": "\u2028id: forged",
    "tab": "\tforged",
    "bidi override": "\u202eforged",
    "bidi isolate": "\u2066forged",
    "invisible": "\u200bforged\ufeff",
    "tag": "\U000e0041",
    "delete": "\x7f",
}

NAME = f"alice{''.join(HOSTILE.values())}@example.com:1"
OWN = re.compile(r"\x1b\[(\d+(;\d+)*)?[mAK]|\x1b\[\?25[hl]")
"""Sequences of the command line's own: styles, and the progress bar with its cursor."""


def assert_harmless(seen):
    """Fail if a line of output holds more than printable characters and our own sequences."""
    for line in OWN.sub("", seen).split("\n"):
        rest = line.replace("\t", "").replace("\r", "")
        assert rest.isprintable(), repr(rest)
    assert not [text for text in HOSTILE.values() if text in seen]
    assert "\nid: forged" not in seen.replace("\r", "\n")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_is_made_harmless_and_stays_legible(text):
    made = harmless(f"alice{text}")
    assert made.isprintable()
    assert made.startswith("alice\\")
    assert harmless("José :smile: [red] 山田 🙂") == "José :smile: [red] 山田 🙂"


def shown_in_terminals(key):
    return [
        ["list"],
        ["audit"],
        ["show", key],
        ["doctor"],
        ["import", "filestore", NAME],
        ["list", NAME],
    ]


def shown_in_pipes(key):
    return [
        *shown_in_terminals(key),
        ["list", "--json"],
        ["audit", "--json"],
        ["show", key, "--json"],
        ["stats"],
        ["doctor", "--json"],
        ["show", NAME],
        ["delete", "--user", f"{NAME}?", "--yes"],
        ["revoke", key, "--yes", "--accounts-url", f"{NAME}://"],
        ["keys", "forget", NAME],
        ["list", "--sort", NAME],
        [NAME],
        [f"--{NAME}"],
        ["purge", "--idle-for", NAME],
        ["list", "--table", NAME],
    ]


@pytest.fixture
def hostile_url(sqlite_url):
    """A database with 16 logins of one hostile user, which doctor names too."""
    logins = [
        login(NAME, client_id=f"1000.{NAME}{n}", refresh_token=f"r{n}", access_token=f"a{n}")
        for n in range(16)
    ]
    save(sqlite_url, *logins)
    return sqlite_url


def test_a_terminal_gets_no_control_characters(hostile_url):
    (key,) = save(hostile_url, make_token(NAME, refresh_token="r0", client_id="1"))
    for arguments in shown_in_terminals(key):
        _, seen = run_in_terminal(*arguments, url=hostile_url)
        assert seen
        assert_harmless(seen)


def test_a_pipe_gets_no_control_characters(hostile_url, run_command):
    (key,) = save(hostile_url, make_token(NAME, refresh_token="r0", client_id="1"))
    for arguments in shown_in_pipes(key):
        done = run_command(hostile_url, *arguments)
        assert done.out or done.err
        assert_harmless(done.out)
        assert_harmless(done.err)
    shown = run_command(hostile_url, "show", key).out
    assert len([line for line in shown.splitlines() if line.startswith("id: ")]) == 1


def test_zohos_own_words_are_made_harmless(sqlite_url, run_command, zoho, monkeypatch):
    (key,) = save(sqlite_url, login("alice"))
    answer = {"error": {"code": HOSTILE["title"]}}
    monkeypatch.setattr(type(zoho.accounts), "revoke", lambda *_: answer)
    done = run_command(sqlite_url, "revoke", key, "--yes", "--accounts-url", zoho.accounts_url)
    assert "owned" in done.err
    assert_harmless(done.err)


def test_a_question_names_a_file_without_its_control_characters(hostile_url, tmp_path):
    path = tmp_path / f"tokens{HOSTILE['title']}.json"
    path.touch()
    arguments = ["export", "json", path]
    _, seen = run_in_terminal(*arguments, url=hostile_url, answer="n\n")
    assert "would be overwritten. Continue?" in seen
    assert_harmless(seen)


def test_a_name_is_printed_as_it_is_spelled(sqlite_url, run_command):
    (key,) = save(sqlite_url, login("a:smile:[bold]b:100:\\x1b"))
    assert "user name: a:smile:[bold]b:100:\\x1b\n" in run_command(sqlite_url, "show", key).out
    assert "a:smile:[bold]b:100:\\x1b" in run_in_terminal("list", url=sqlite_url)[1]


def test_a_warning_is_one_line_without_source_code(sqlite_url, tmp_path):
    save(sqlite_url, login("alice"))
    keys = tmp_path / f"keys{HOSTILE['title']}"
    keys.write_text(run_process("keys", "generate").out)
    keys.chmod(0o644)
    done = run_process("doctor", "--url", sqlite_url, "--keys-file", keys)
    (line,) = done.err.splitlines()
    assert line.startswith("zoho-tokenstore: warning: ")
    assert_harmless(done.err)
