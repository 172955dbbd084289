"""Commands in processes of their own: exit status and output, without an SDK, in a shell."""

import sys
from pathlib import Path

from commands import run_process
from support import known, login
from tables import LATER, logged_in, save, users


def test_the_real_commands(sqlite_url, zoho):
    tokens = [logged_in(zoho, "alice"), login("bob"), login("carol", expiry=LATER)]
    alice, bob, _ = save(sqlite_url, *tokens)
    for arguments, expected in {
        ("list", "--user", "bob"): bob,
        ("show", alice): alice,
        ("stats",): "tokens: 3",
        ("delete", bob, "--yes"): "deleted: 1\n",
        ("revoke", alice, "--yes", "--accounts-url", zoho.accounts_url): "revoked: 1, failed: 0\n",
        ("purge", "--idle-for", "1d", "--yes"): "tokens: 0, audit: 0\n",
        ("audit", "--event", "revoked"): alice,
    }.items():
        done = run_process(*arguments, ZOHO_TOKENSTORE_URL=sqlite_url)
        assert (done.status, done.err) == (0, ""), arguments
        assert expected in done.out
        assert not any(known(tokens[0])[name] in done.out for name in revealing(tokens[0]))
    unanswered = run_process("delete", "--all", "--url", sqlite_url)
    assert (unanswered.status, unanswered.out) == (2, "")
    assert "--yes" in unanswered.err
    failed = run_process("show", bob, "--url", sqlite_url)
    assert (failed.status, failed.out) == (1, "")
    assert len(failed.err.splitlines()) == 1
    assert users(sqlite_url) == ["carol"]


def revealing(token):
    return [name for name in ("refresh_token", "access_token") if name in known(token)]


WITHOUT_SDK = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("zohocrmsdk", "zcrmsdk"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
runpy.run_module("zoho_tokenstore", run_name="__main__", alter_sys=True)
"""


def test_no_sdk_is_needed(sqlite_url):
    save(sqlite_url, login("alice"))
    for arguments, expected in {
        ("list", "--url", sqlite_url): "alice",
        ("stats", "--url", sqlite_url): "tokens: 1",
        ("import", "--help"): "filestore",
    }.items():
        done = run_process(*arguments, program=("-c", WITHOUT_SDK))
        assert (done.status, done.err) == (0, ""), done.err
        assert expected in done.out


def test_shells_can_complete_the_commands():
    program = (str(Path(sys.executable).with_name("zoho-tokenstore")),)
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = run_process("--show-completion", "bash", program=program, **told)
    asked_for = run_process(program=program, _ZOHO_TOKENSTORE_COMPLETE="source_bash")
    assert (shown.status, asked_for.status) == (0, 0)
    assert shown.out.strip() == asked_for.out.strip()
    assert "_ZOHO_TOKENSTORE_COMPLETE" in shown.out
