"""``list``, ``show`` and ``stats``: choosing, sorting and printing stored tokens."""

import json
from datetime import UTC, datetime

from sqlalchemy import update

from commands import SECRETS, run_in_terminal
from support import KEY, LOGIN, execute, login, make_token
from tables import (
    DAY,
    EARLIER,
    LATER,
    TABLE,
    in_milliseconds,
    move,
    move_entries,
    names,
    save,
    users,
)


def test_list_chooses_and_sorts(shared_url, run_command):
    save(
        shared_url,
        login("bob", id="3", client_id="1", expiry=EARLIER),
        login("alice", id="2", client_id="2", expiry=LATER),
        login("carol", id="4", client_id="1", expiry=in_milliseconds(2 * DAY)),
        make_token("dave", id="1", client_id="3", access_token="1000.access.dave", expiry="0"),
        make_token("erin", id="5", client_id="3", access_token="1000.erin", expiry=LATER),
    )
    for arguments, expected in {
        (): ["alice", "bob", "carol", "dave", "erin"],
        ("--sort", "user"): ["alice", "bob", "carol", "dave", "erin"],
        ("--sort", "client"): ["bob", "carol", "alice", "dave", "erin"],
        ("--sort", "expiry"): ["dave", "bob", "alice", "erin", "carol"],
        ("--sort", "id"): ["dave", "alice", "bob", "carol", "erin"],
        ("--user", "alice"): ["alice"],
        ("--user", "nobody"): [],
        ("--client", "1"): ["bob", "carol"],
        ("--client", "1", "--user", "alice"): [],
        ("--expired",): ["bob", "dave"],
        ("--needs-login",): ["dave", "erin"],
        ("--expired", "--client", "1"): ["bob"],
    }.items():
        status, out, messages = run_command(shared_url, "list", "--json", *arguments)
        assert (status, messages) == (0, "")
        assert names(out) == expected, arguments


def test_list_sorts_tokens_that_have_nothing_to_sort_by(sqlite_url, run_command):
    tokens = [make_token(refresh_token=f"1000.refresh.{number}") for number in range(3)]
    save(sqlite_url, *tokens, login("alice"))
    for name in ("user", "client", "expiry"):
        status, out, _ = run_command(sqlite_url, "list", "--json", "--sort", name)
        assert (status, json.loads(out)[0]["user_name"]) == (0, "alice")
        assert len(json.loads(out)) == 4


def test_list_prints_a_line_for_each_token_its_values_separated_by_tabs(sqlite_url, run_command):
    (key,) = save(sqlite_url, login("alice and bob", expiry="0"))
    save(sqlite_url, make_token("carol", refresh_token="1000.refresh"))
    status, out, messages = run_command(sqlite_url, "list")
    assert (status, messages) == (0, "")
    alice, carol = (line.split("\t") for line in out.splitlines())
    client_id = LOGIN["client_id"]
    assert alice[:3] == [key, "alice and bob", client_id]
    assert alice[3:] == ["1000.re…(26)", "1000.ac…(25)", "1970-01-01 00:00:00Z"]
    assert carol[1:] == ["carol", "", "…(12)", "", ""]


def test_list_names_what_cannot_be_read_and_fails(sqlite_url, run_command):
    _, bad = save(sqlite_url, login("alice"), login("bob"), keys=KEY)
    execute(sqlite_url, update(TABLE).where(TABLE.c.id == bad).values(sealed="x"))
    status, out, _ = run_command(sqlite_url, "list", KEYS=KEY)
    assert status == 1
    assert [line.split("\t")[:2] for line in out.splitlines()][1:] == [[bad, "bob"]]
    status, out, _ = run_command(sqlite_url, "stats", "--json", KEYS=KEY)
    assert (json.loads(out)["tokens"], json.loads(out)["unreadable"]) == (1, 1)


def test_encrypted_tokens_are_listed_shown_and_counted_with_the_keys_only(shared_url, run_command):
    alice, bob = save(shared_url, login("alice"), login("bob"), keys=KEY)
    assert names(run_command(shared_url, "list", "--json", KEYS=KEY)[1]) == ["alice", "bob"]
    status, out, _ = run_command(shared_url, "show", alice, "--json", KEYS=KEY)
    assert (status, json.loads(out)["user_name"]) == (0, "alice")
    assert json.loads(run_command(shared_url, "stats", "--json", KEYS=KEY)[1])["tokens"] == 2
    for arguments in (["list"], ["show", bob], ["stats"], ["revoke", bob, "--yes"]):
        status, out, messages = run_command(shared_url, *arguments, KEYS="")
        assert (status, out) == (1, "")
        assert KEY.partition(":")[0] in messages
    assert run_command(shared_url, "delete", bob, "--yes", KEYS="")[0] == 0, "which needs no keys"
    assert users(shared_url) == ["alice"]


def test_show_shows_a_token_and_its_times(shared_url, run_command):
    upper, lower = save(shared_url, login("alice", id="KEY"), login("bob", id="key"))
    move(shared_url, 10 * DAY, "created_at", user="alice")
    move(shared_url, 20 * DAY, "created_at", "used_at", user="bob")
    for key, user, days in ((upper, "alice", 10), (lower, "bob", 20)):
        status, out, messages = run_command(shared_url, "show", key, "--json")
        assert (status, messages) == (0, "")
        row = json.loads(out)
        assert (row["id"], row["user_name"], row["needs_login"]) == (key, user, False)
        assert row["created_at"][:10] == f"{datetime.now(UTC) - days * DAY:%Y-%m-%d}"
        assert ("used_at" in row) == (user == "bob")
        assert row["expires"] == "2026-01-01 00:00:00Z"
    status, out, _ = run_command(shared_url, "show", "unknown")
    assert (status, out) == (1, "")


def test_show_cuts_nothing_off(sqlite_url, run_command):
    user = f"{'a' * 150}@example.com"
    (key,) = save(sqlite_url, login(user))
    out = run_command(sqlite_url, "show", key)[1]
    assert user in "".join(out.replace("│", "").split())


def test_list_and_audit_show_tables_in_a_terminal(sqlite_url):
    (key,) = save(sqlite_url, login("alice"))
    for arguments, column in ((["list"], "access token"), (["audit"], "credential")):
        status, seen = run_in_terminal(*arguments, "--url", sqlite_url)
        assert status == 0
        assert "\t" not in seen
        for text in (column, key[:8], "alice"):
            assert text in seen
        assert key not in seen
        assert not any(secret in seen for secret in SECRETS)


def test_stats_count(shared_url, run_command):
    save(
        shared_url,
        login("alice", client_id="1", expiry=EARLIER),
        login("alice", client_id="2", expiry=LATER, refresh_token="1000.refresh.2"),
        login("bob", client_id="1", expiry=in_milliseconds(DAY / 48)),
        make_token(client_id="3", access_token="1000.access.nobody", expiry=EARLIER),
    )
    save(shared_url, login("bob", client_id="1", expiry=in_milliseconds(DAY / 48)))
    expected = {
        "users": 2,
        "clients": 3,
        "tokens": 4,
        "expired": 2,
        "expiring_within_the_hour": 1,
        "needs_login": 1,
        "unreadable": 0,
        "refreshes_today": 1,
    }
    status, out, messages = run_command(shared_url, "stats", "--json")
    assert (status, json.loads(out), messages) == (0, expected, "")
    lines = run_command(shared_url, "stats")[1].splitlines()
    assert dict(line.split(": ") for line in lines) == {
        name.replace("_", " "): str(number) for name, number in expected.items()
    }
    move_entries(shared_url, 2 * DAY)
    assert json.loads(run_command(shared_url, "stats", "--json")[1])["refreshes_today"] == 0
