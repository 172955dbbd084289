"""What operators see in narrow terminals, and how they name tokens there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from commands import environment, run_in_terminal, run_process
from support import KEY, execute, login
from tables import TABLE, save, users
from zoho_tokenstore.storage.rotation import KeyRotation
from zoho_tokenstore.storage.tokens import TokenTable

ALICE = "alice.liddell@example.com:60001234567"
CLIENT = "1000.ABCDEFGHIJKLMNOPQRSTUVWXYZ1234"


def lines_with(seen, *texts):
    return [line for line in seen.splitlines() if all(text in line for text in texts)]


def widest(seen):
    """Return the length of the longest line of a table, without its styles."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines()
    return max(len(line) for line in lines if not line.startswith("not shown"))


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [
        (200, ["client id", "refresh token", "access token", "expires"], []),
        (100, ["access token", "expires"], ["client id"]),
        (80, ["expires"], ["client id", "refresh token"]),
        (48, ["user name"], ["client id", "refresh token", "access token", "expires"]),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns_and_whole_values(sqlite_url, width, shown, hidden):
    (key,) = save(sqlite_url, login(ALICE, client_id=CLIENT))
    _, seen = run_in_terminal("list", url=sqlite_url, width=width)
    assert len(lines_with(seen, key[:8], ALICE)) == 1
    assert widest(seen) <= width
    (heading,) = lines_with(seen, "id", "user name")
    assert all(name in heading for name in shown)
    assert not any(name in heading for name in hidden)
    assert lines_with(seen, "not shown on", *hidden) or not hidden


def test_forty_columns_show_the_id_and_fold_the_name(sqlite_url):
    (key,) = save(sqlite_url, login(ALICE, client_id=CLIENT))
    _, seen = run_in_terminal("list", url=sqlite_url, width=40)
    assert len(lines_with(seen, f"{key[:8]}  {ALICE[:30]}")) == 1
    assert widest(seen) <= 40
    _, seen = run_in_terminal("audit", url=sqlite_url, width=40)
    assert lines_with(seen, "created", ":", "-")
    assert widest(seen) <= 40


def test_the_error_of_a_token_is_below_the_table(sqlite_url):
    save(sqlite_url, login("alice"), login("bob"))
    execute(sqlite_url, text("UPDATE oauthtoken SET expiry = 'x' WHERE user_name = 'bob'"))
    _, seen = run_in_terminal("list", url=sqlite_url, width=80)
    assert lines_with(seen, "alice", "…(17)")
    assert lines_with(seen, "expiry has a value of the wrong type")


def test_ids_that_begin_alike_are_shown_as_far_as_they_differ(sqlite_url):
    save(sqlite_url, login("alice", id="600012345671"), login("bob", id="600012345672"))
    _, seen = run_in_terminal("list", url=sqlite_url)
    assert lines_with(seen, "600012345671")
    save(sqlite_url, login("carol", id="6000"))
    assert lines_with(run_in_terminal("list", url=sqlite_url)[1], "6000  ", "carol")


def test_all_commands_accept_the_first_characters_of_an_id(shared_url, run_command, zoho):
    keys = save(shared_url, *map(login, ("alice", "bob", "carol", "dave")))
    for written in (keys[0][:8], keys[0][:4], f"{keys[0][:4]}…", keys[0]):
        done = run_command(shared_url, "show", written, "--json")
        assert json.loads(done.out)["user_name"] == "alice"
    done = run_command(shared_url, "delete", keys[0][:8], keys[0], keys[1][:8], "--yes")
    assert (done.status, done.out) == (0, "deleted: 2\n"), done.err
    accounts = ["--yes", "--accounts-url", zoho.accounts_url]
    done = run_command(shared_url, "revoke", keys[2][:8], *accounts)
    assert keys[2] in done.err, "which LocalZoho does not know"
    done = run_command(shared_url, "audit", "--json", "--id", keys[0][:8])
    events = [json.loads(line)["event"] for line in done.out.splitlines()]
    assert events == ["created", "deleted"], "of a token that is not stored any more"


def test_the_first_characters_of_several_ids_are_refused(shared_url, run_command):
    ids = ["3f2a91", "3f2a00", "3F2A91", "abc", "3f2a"]
    save(shared_url, *(login(f"user{n}", id=token_id) for n, token_id in enumerate(ids)))
    for arguments in (["show", "3f2a9"], ["show", "3f2a"], ["audit", "--id", "3f2a"]):
        assert run_command(shared_url, *arguments).status == 0, arguments
    assert "user2" in run_command(shared_url, "show", "3F2A").out
    execute(shared_url, TABLE.delete().where(TABLE.c.user_name == "user4"))
    for arguments in (["show", "3f2a"], ["delete", "3f2a", "--yes"]):
        done = run_command(shared_url, *arguments)
        assert (done.status, done.out) == (1, "")
        assert "ambiguous" in done.err
        assert "3f2a91" in done.err
        assert "3f2a00" in done.err
    for written in ("", "abc…", "ab", "3f2b"):
        done = run_command(shared_url, "delete", "--yes", written)
        assert (done.status, done.out) == (1, ""), written
        assert "unknown token id" in done.err
    assert len(users(shared_url)) == 4


def test_doctor_prints_a_line_for_each_check_into_a_pipe(sqlite_url, run_command):
    save(sqlite_url, login("alice"))
    lines = run_command(sqlite_url, "doctor").out.splitlines()
    assert {len(line.split("\t")) for line in lines} == {3}
    assert ["tokens", "ok", "1 stored"] in [line.split("\t") for line in lines]


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["stats"], ["--help"]])
def test_a_full_disk_is_a_message(sqlite_url, arguments):
    save(sqlite_url, login("alice"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zoho_tokenstore", *arguments],
            env=environment(ZOHO_TOKENSTORE_URL=sqlite_url),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "zoho-tokenstore: output failed: No space left on device\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "\udcff"],
        ["list", "--user", "\udcff"],
        ["delete", "--yes", "\udcff"],
        ["list", "\udcff"],
        ["\udcff"],
        ["list", "--url", "sqlite:///\udcff"],
        ["current", "--url", "sqlite:///\udcff"],
        ["--url", "sqlite:///\udcff", "list"],
        ["import", "filestore", "\udcff"],
        ["import", "dbstore", "mysql://app:password\udcff@localhost/d"],
    ],
    ids=lambda arguments: " ".join(arguments).replace("\udcff", "?"),
)
def test_an_argument_that_is_not_utf8_is_a_message(sqlite_url, arguments):
    save(sqlite_url, login("alice"))
    done = run_process(*arguments, ZOHO_TOKENSTORE_URL=sqlite_url)
    assert done.status in (1, 2)
    assert r"\udcff" in done.err or "is not UTF-8" in done.err
    assert "password" not in done.err


def test_a_setting_that_is_not_utf8_is_a_message():
    for name in ("URL", "TABLE", "KEYS", "KEYS_FILE"):
        settings = {"ZOHO_TOKENSTORE_URL": "sqlite://"} | {f"ZOHO_TOKENSTORE_{name}": "x:\udcff"}
        done = run_process("list", **settings)
        assert (done.status, done.out) == (2, "")
        assert f"ZOHO_TOKENSTORE_{name} or its option is not UTF-8" in done.err


def test_a_terminal_without_utf8_shows_escape_sequences(sqlite_url):
    (key,) = save(sqlite_url, login("José…"))
    done = run_process("show", key, ZOHO_TOKENSTORE_URL=sqlite_url, PYTHONIOENCODING="ascii")
    assert done.status == 0
    assert r"user name: Jos\xe9\u2026" in done.out


def test_an_interrupted_rotation_says_how_far_it_came(sqlite_url, run_command, monkeypatch):
    save(sqlite_url, *(login(f"user{n}") for n in range(3)))

    def interrupt(_self, *, on_rows, **_):
        on_rows(2)
        raise KeyboardInterrupt

    monkeypatch.setattr(KeyRotation, "seal_readable", interrupt)
    done = run_command(sqlite_url, "keys", "encrypt", KEYS=KEY)
    assert (done.status, done.out) == (130, "")
    assert done.err.endswith("interrupted after 2 tokens: run the command again to complete it\n")


def test_an_interrupted_import_says_how_far_it_came(sqlite_url, tmp_path, run_command, monkeypatch):
    save(sqlite_url, *(login(f"user{n}") for n in range(3)))
    assert run_command(sqlite_url, "export", "filestore", tmp_path / "file").status == 0

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(TokenTable, "save_rows", interrupt)
    done = run_command(f"sqlite:///{tmp_path}/b.db", "import", "filestore", tmp_path / "file")
    assert (done.status, done.out) == (130, "")
    assert "interrupted after 0 tokens: run the command again to complete it" in done.err
