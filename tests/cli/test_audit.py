"""``audit``: choosing and printing the entries of the audit log."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from support import LOGIN, login
from tables import (
    DAY,
    move_entries,
    save,
)
from zoho_tokenstore.storage.audit import PAGE_SIZE


def test_audit_shows_what_happened_and_chooses(shared_url, run_command):
    alice, bob = save(shared_url, login("alice"), login("bob"))
    move_entries(shared_url, 10 * DAY)
    time.sleep(0.002)
    save(shared_url, login("alice", access_token="1000.access.new"))
    time.sleep(0.002)
    assert run_command(shared_url, "delete", bob, "--yes")[0] == 0

    def asked(*arguments):
        status, out, messages = run_command(shared_url, "audit", "--json", *arguments)
        assert (status, messages) == (0, "")
        entries = [json.loads(line) for line in out.splitlines()]
        return [(entry["event"], entry["user_name"]) for entry in entries]

    recent = [("refreshed", "alice"), ("deleted", "bob")]
    everything = asked()
    assert everything[2:] == recent
    assert sorted(everything[:2]) == [("created", "alice"), ("created", "bob")]
    assert asked("--since", "7d") == recent
    assert len(asked("--since", "2w")) == 4
    assert asked("--user", "bob") == [("created", "bob"), ("deleted", "bob")]
    assert asked("--id", alice) == [("created", "alice"), ("refreshed", "alice")]
    assert asked("--event", "deleted") == recent[1:]
    assert asked("--event", "created", "--user", "bob", "--since", "1h") == []
    assert asked("--user", "nobody") == asked("--id", "nobody") == []


def test_audit_shows_more_entries_than_are_read_at_once(sqlite_url, run_command):
    users = [f"user {number}" for number in range(PAGE_SIZE + 2)]
    save(sqlite_url, *map(login, users))
    out = run_command(sqlite_url, "audit", "--json").out
    assert sorted(json.loads(line)["user_name"] for line in out.splitlines()) == sorted(users)


@pytest.fixture
def in_tokyo(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_times_are_utc_where_the_host_has_another_time_zone(shared_url, run_command):
    (key,) = save(shared_url, login("alice"))
    (entry,) = run_command(shared_url, "audit", "--json")[1].splitlines()
    row = json.loads(run_command(shared_url, "show", key, "--json")[1])
    for at in (json.loads(entry)["at"], row["created_at"]):
        assert abs(datetime.now(UTC) - datetime.fromisoformat(at)) < timedelta(minutes=5)


def test_audit_prints_a_line_for_each_entry_its_values_separated_by_tabs(sqlite_url, run_command):
    (key,) = save(sqlite_url, login("alice and bob"))
    status, out, messages = run_command(sqlite_url, "audit")
    assert (status, messages) == (0, "")
    at, *values = out.rstrip("\n").split("\t")
    assert datetime.now(UTC) - datetime.fromisoformat(at) < DAY
    assert values[:4] == ["created", key, "alice and bob", LOGIN["client_id"]]
    assert len(values) == 7
    assert values[6] == str(os.getpid())
    (entry,) = map(json.loads, run_command(sqlite_url, "audit", "--json")[1].splitlines())
    assert [str(value) for value in entry.values()] == [at, *values]
