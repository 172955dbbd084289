"""Wrong usage and failures of every command: the exit status and one clear line."""

import os

import pytest

from tables import file_of

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"


COMMANDS = {
    "list": ["list"],
    "show": ["show", "id"],
    "delete": ["delete", "--all", "--yes"],
    "revoke": ["revoke", "id", "--yes"],
    "stats": ["stats"],
    "purge": ["purge", "--idle-for", "1d", "--yes"],
    "audit": ["audit"],
}


SPANS = ["", "30", "d", "0d", "-1d", "1.5h", "1y", "1d2h", "1 d", "999999w"]


@pytest.mark.parametrize("span", SPANS, ids=repr)
@pytest.mark.parametrize(
    "option",
    [
        ("purge", "--expired-for"),
        ("purge", "--idle-for"),
        ("purge", "--audit-older-than"),
        ("audit", "--since"),
    ],
    ids=" ".join,
)
def test_what_is_no_span_is_wrong_usage(sqlite_url, run_command, option, span):
    yes = ["--yes"] if option[0] == "purge" else []
    status, out, messages = run_command(sqlite_url, *option, span, *yes)
    assert (status, out) == (2, "")
    assert option[1] in messages
    assert not file_of(sqlite_url).exists(), "nothing was opened"


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--sort", "age"],
        ["list", "alice"],
        ["show"],
        ["show", "a", "b"],
        ["delete", "--yes"],
        ["delete", "--yes", "--all", "id"],
        ["delete", "--yes", "--all", "--user", "alice"],
        ["delete", "--yes", "--user", "alice", "id"],
        ["revoke", "--yes"],
        ["revoke", "--yes", "--all"],
        ["revoke", "--yes", "--user", "alice", "id"],
        ["stats", "today"],
        ["purge", "--yes"],
        ["purge", "alice"],
        ["audit", "--event", "stolen"],
        ["audit", "alice"],
        *([name, "--nonsense"] for name in COMMANDS),
        *([*command, "--url", "nonsense"] for command in COMMANDS.values()),
        *([*command, "--keys-file", "/none"] for command in COMMANDS.values()),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_wrong_usage(sqlite_url, run_command, arguments):
    status, out, messages = run_command(sqlite_url, *arguments)
    assert (status, out) == (2, "")
    assert messages
    assert not file_of(sqlite_url).exists(), "nothing was opened"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_fails_says_so_in_one_line(sqlite_url, run_command, name):
    file_of(sqlite_url).touch()
    for url, word in ((sqlite_url, "zoho-tokenstore upgrade"), (UNREACHABLE, "127.0.0.1")):
        status, out, messages = run_command(url, *COMMANDS[name])
        assert (status, out) == (1, "")
        assert len(messages.splitlines()) == 1
        assert word in messages


def test_a_file_that_is_not_there_is_not_made(sqlite_url, run_command):
    for arguments in COMMANDS.values():
        status, out, messages = run_command(sqlite_url, *arguments)
        assert (status, out) == (1, "")
        assert len(messages.splitlines()) == 1
        assert not file_of(sqlite_url).exists()


def test_the_url_may_come_before_the_command(sqlite_url, run_command, tmp_path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    for command in (["upgrade"], ["list"], ["keys", "status"], ["export", "json", os.devnull]):
        done = run_command(other, "--url", sqlite_url, *command)
        assert done.status == 0, done.err
    assert file_of(sqlite_url).exists()
    assert not file_of(other).exists()
    done = run_command(None, "--url", other, "list", "--url", sqlite_url)
    assert done.status == 0, "the option after the command counts"
    done = run_command(None, "--url", "nonsense", "list")
    assert (done.status, done.out) == (2, "")
