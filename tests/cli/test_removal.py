"""``delete`` and ``purge``: they delete what is named, after a confirmation."""

import json

import pytest
from sqlalchemy import select

from commands import run_in_terminal
from support import execute, login
from tables import (
    AUDIT,
    DAY,
    EARLIER,
    LATER,
    events,
    in_milliseconds,
    move,
    move_entries,
    save,
    users,
)


def test_delete_by_id_by_user_and_all(shared_url, run_command):
    names = ["alice", "alice", "bob", "carol", "dave"]
    tokens = [login(user, client_id=str(number)) for number, user in enumerate(names)]
    ids = save(shared_url, *tokens)
    assert run_command(shared_url, "delete", "--yes", ids[2], ids[3]) == (0, "deleted: 2\n", "")
    assert users(shared_url) == ["alice", "alice", "dave"]
    status, out, _ = run_command(shared_url, "delete", "--yes", "--json", "--user", "alice")
    assert (status, json.loads(out)) == (0, {"deleted": 2})
    assert users(shared_url) == ["dave"]
    for arguments, message in (
        ([ids[4], "unknown"], "unknown token id 'unknown'; nothing was changed"),
        (["unknown", "none", "unknown"], "unknown token ids 'unknown', 'none'"),
        (["--user", "alice"], "no tokens are stored for user 'alice'"),
        (["--user", ""], "no tokens are stored for user ''"),
    ):
        status, out, messages = run_command(shared_url, "delete", "--yes", *arguments)
        assert (status, out) == (1, "")
        assert message in messages
    assert users(shared_url) == ["dave"]
    save(shared_url, *tokens[:4])
    assert run_command(shared_url, "delete", "--yes", "--all")[:2] == (0, "deleted: 5\n")
    assert run_command(shared_url, "delete", "--yes", "--all")[:2] == (0, "deleted: 0\n")
    assert users(shared_url) == []
    assert {event for event, _ in events(shared_url)} == {"deleted"}
    assert len(events(shared_url)) == 9


NAMES = ("alice@example.com:60001", "alice@example.com:60002", "alice@example.community:60003")


@pytest.mark.parametrize("command", ["list", "audit", "delete", "revoke"])
def test_a_mail_address_alone_names_the_users_that_have_it(sqlite_url, run_command, command):
    save(
        sqlite_url,
        *(login(name) for name in NAMES),
        login("a_b@example.com:5"),
        login("Alice@example.com:9"),
    )
    reads = command in ("list", "audit")
    yes = [] if reads else ["--yes"]
    for mail, names in (("alice@example.com", NAMES[:2]), ("axb@example.com", ())):
        status, out, messages = run_command(sqlite_url, command, "--user", mail, *yes)
        assert (status, out) == (0 if reads else 1, "")
        advice = f": pass one of {', '.join(map(repr, names))}" if names else ""
        says = f"no tokens are stored for user {mail!r}{advice}\n"
        assert messages.endswith(says if advice or not reads else "")
        assert (reads and not advice) == (messages == "")
    assert len(users(sqlite_url)) == 5


def test_delete_notes_nothing_where_the_audit_is_off(sqlite_url, run_command):
    save(sqlite_url, login("alice"))
    assert run_command(sqlite_url, "delete", "--yes", "--all", AUDIT="off")[0] == 0
    assert (users(sqlite_url), events(sqlite_url)) == ([], [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete", "--all"],
        ["delete", "--user", "alice"],
        ["revoke", "--user", "alice"],
        ["purge", "--idle-for", "1s"],
        ["purge", "--audit-older-than", "1s"],
    ],
    ids=" ".join,
)
def test_nothing_is_removed_without_a_terminal_to_confirm_in(sqlite_url, run_command, arguments):
    save(sqlite_url, login("alice"))
    move(sqlite_url, DAY, "updated_at", user="alice")
    move_entries(sqlite_url, DAY)
    status, out, messages = run_command(sqlite_url, *arguments)
    assert (status, out) == (2, "")
    assert "--yes" in messages
    assert users(sqlite_url) == ["alice"]
    assert len(execute(sqlite_url, select(AUDIT))) == 1


def test_delete_asks_in_a_terminal(sqlite_url):
    save(sqlite_url, login("alice"), login("bob"))
    status, seen = run_in_terminal("delete", "--all", "--url", sqlite_url, answer="n\n")
    assert status == 1
    assert "2 tokens would be deleted. Continue?" in seen
    assert "Traceback" not in seen
    assert users(sqlite_url) == ["alice", "bob"]
    status, seen = run_in_terminal("delete", "--all", "--url", sqlite_url, answer="y\n")
    assert status == 0
    assert "deleted: 2" in seen
    assert users(sqlite_url) == []


def test_purge_removes_what_is_named_and_counts_before(shared_url, run_command):
    names = ("expired", "expires", "idle", "used", "saved")
    later = dict.fromkeys(names, LATER) | {
        "expired": in_milliseconds(-31 * DAY),
        "expires": in_milliseconds(-29 * DAY),
    }
    save(shared_url, *(login(name, expiry=later[name]) for name in names))
    for name in ("idle", "used"):
        move(shared_url, 91 * DAY, "created_at", "updated_at", user=name)
    move(shared_url, DAY, "used_at", user="used")
    move(shared_url, 91 * DAY, "created_at", "used_at", user="saved")
    move_entries(shared_url, 400 * DAY)
    save(shared_url, login("new", expiry=LATER))
    arguments = ["--expired-for", "30d", "--idle-for", "90d", "--audit-older-than", "365d"]
    before = execute(shared_url, select(AUDIT.c.entry_id))
    counted = run_command(shared_url, "purge", "--dry-run", *arguments)
    assert counted == (0, "tokens: 2, audit: 5\n", "")
    assert len(users(shared_url)) == 6
    assert execute(shared_url, select(AUDIT.c.entry_id)) == before
    status, out, _ = run_command(shared_url, "purge", "--json", "--yes", *arguments)
    assert (status, json.loads(out)) == (0, {"tokens": 2, "audit": 5})
    assert users(shared_url) == ["expires", "new", "saved", "used"]
    assert events(shared_url) == [("policy-expired", "expired"), ("policy-expired", "idle")]
    assert run_command(shared_url, "purge", "--yes", *arguments)[:2] == (0, "tokens: 0, audit: 0\n")


def test_purge_removes_nothing_else_than_what_is_named(sqlite_url, run_command):
    save(sqlite_url, login("alice", expiry=EARLIER), login("bob", expiry=LATER))
    move(sqlite_url, 10 * DAY, "updated_at", user="bob")
    move_entries(sqlite_url, 10 * DAY)
    for argument, expected in {
        "--expired-for": "tokens: 1, audit: 0\n",
        "--idle-for": "tokens: 1, audit: 0\n",
        "--audit-older-than": "tokens: 0, audit: 2\n",
    }.items():
        assert run_command(sqlite_url, "purge", "--dry-run", argument, "1h")[1] == expected
        untouched = run_command(sqlite_url, "purge", "--dry-run", argument, "1000d")[1]
        assert untouched == "tokens: 0, audit: 0\n"
    assert run_command(sqlite_url, "purge", "--yes", "--expired-for", "1h")[0] == 0
    assert users(sqlite_url) == ["bob"]
    assert len(execute(sqlite_url, select(AUDIT))) == 3


def test_the_audit_can_be_switched_off_for_commands(shared_url, run_command):
    keys = save(shared_url, *map(login, ("alice", "bob", "carol")))
    move(shared_url, 20 * DAY, "updated_at", user="carol")
    for arguments in (
        ["delete", keys[0], "--yes"],
        ["delete", "--user", "bob", "--yes"],
        ["purge", "--idle-for", "10d", "--yes"],
    ):
        assert run_command(shared_url, *arguments, AUDIT="off").status == 0
    assert (users(shared_url), events(shared_url)) == ([], [])
