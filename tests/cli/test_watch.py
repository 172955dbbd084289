"""``watch`` and ``stats --prometheus``: what operators and monitors see at a glance."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text

from commands import environment
from sdks import Application, SDKException, new_token
from support import KEY, execute, known, login, make_token, stored, wait_until
from tables import DAY, EARLIER, LATER, TABLE, in_milliseconds, move_entries, opened, save
from zoho_tokenstore.cli import watch
from zoho_tokenstore.cli.options import open_table
from zoho_tokenstore.cli.watch import Watch
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage import activity
from zoho_tokenstore.storage.activity import recent

LEASES = companion_table(TABLE, "lease")


def insert_leases(url, *leases):
    empty = {"version": 1, "owner": None, "until": 0, "starts": "", "failure": None, "retry_at": 0}
    rows = [
        empty | {"key_digest": f"{n:064x}", "credential": None} | lease
        for n, lease in enumerate(leases)
    ]
    execute(url, insert(LEASES).values(rows))


def after(**span):
    return int(in_milliseconds(timedelta(**span)))


def tables_of(url):
    return open_table(Settings.from_env({"ZOHO_TOKENSTORE_URL": url}))


def fill(url, keys=""):
    """Save tokens in each state, and leases of each kind."""
    save(
        url,
        login("valid", expiry=LATER),
        login("due", expiry=in_milliseconds(timedelta(minutes=4))),
        login("expired", expiry=EARLIER),
        make_token("lapsed", access_token="1000.access.lapsed", expiry=EARLIER),
        make_token("unknown", refresh_token="1000.refresh.unknown"),
        keys=keys,
    )
    insert_leases(
        url,
        {"until": after(minutes=4), "owner": "a"},
        {"until": after(seconds=-20), "owner": "b"},
        {"failure": "throttled", "retry_at": after(minutes=4)},
        {"failure": "invalid_client", "retry_at": after(minutes=-2)},
        {"failure": "ReadTimeout", "retry_at": after(seconds=-1)},
        {"failure": "ReadTimeout", "retry_at": after(minutes=-20)},
    )


@pytest.mark.parametrize("keys", ["", KEY], ids=["readable", "encrypted"])
def test_stats_are_printed_for_prometheus(shared_url, run_command, keys):
    fill(shared_url, keys)
    done = run_command(shared_url, "stats", "--prometheus", KEYS=keys)
    assert (done.status, done.err) == (0, "")
    samples = dict(line.rsplit(" ", 1) for line in done.out.splitlines() if line[0] != "#")
    found = {name.removeprefix("zoho_tokenstore_"): int(number) for name, number in samples.items()}
    assert {name: number for name, number in found.items() if number} == {
        "users": 5,
        "clients": 1,
        'tokens{state="valid"}': 1,
        'tokens{state="due"}': 1,
        'tokens{state="expired"}': 2,
        'tokens{state="unknown"}': 1,
        "tokens_needing_login": 1,
        "refreshes_running": 1,
        "refreshes_waiting": 1,
        'refreshes_failed{kind="throttled"}': 1,
        'refreshes_failed{kind="client"}': 1,
        'refreshes_failed{kind="other"}': 1,
        'recent_events{event="created"}': 5,
    }
    move_entries(shared_url, DAY)
    assert 'created"} 0\n' in run_command(shared_url, "stats", "--prometheus", KEYS=keys).out


def test_recent_events_are_counted_by_kind(shared_url, run_command):
    save(shared_url, login("alice"), login("bob"))
    save(shared_url, login("alice", access_token="1000.access.new"))
    printed = run_command(shared_url, "stats", "--prometheus").out.splitlines()
    assert {line.partition("recent_events")[2] for line in printed} >= {
        '{event="created"} 2',
        '{event="refreshed"} 1',
        '{event="claimed"} 0',
    }


def test_the_same_logins_are_needed_as_in_a_list(shared_url, run_command):
    tokens = {"lapsed": EARLIER, "valid": LATER, "unknown": None}
    for name, expiry in tokens.items():
        save(shared_url, make_token(name, access_token=f"1000.access.{name}", expiry=expiry))
    save(shared_url, login("alice"))
    samples = run_command(shared_url, "stats", "--prometheus").out
    listed = json.loads(run_command(shared_url, "list", "--needs-login", "--json").out)
    assert f"tokens_needing_login {len(listed)}\n" in samples
    with tables_of(shared_url) as tables:
        lines = Watch(tables).lines()
    assert [line for line in lines if line.strip() in tokens] == [
        f"  {name}" for name in sorted(row["user_name"] for row in listed)
    ]


def test_the_text_format_is_prometheus_own(sqlite_url, run_command):
    save(sqlite_url, login("alice"))
    lines = run_command(sqlite_url, "stats", "--prometheus").out.splitlines()
    for line in lines:
        assert re.fullmatch(r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[a-z-]+"\})? \d+', line), (
            line
        )
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))
    for line in lines:
        if line[0] != "#":
            assert re.split("[{ ]", line)[0] in named
    assert run_command(sqlite_url, "stats", "--prometheus", "--json").status == 2


def test_a_refused_login_is_counted_and_named(sqlite_url, run_command, zoho, tmp_path):
    with opened(sqlite_url) as store:
        application = Application(zoho, store, tmp_path)
        zoho.accounts.lifetime = 4.0
        application.log_in("alice@example.com")
        (row,) = stored(store)
        zoho.refuse(row["refresh_token"])
        with pytest.raises(SDKException):
            application.visit(new_token(refresh_token=row["refresh_token"]), "alice@example.com")
    with tables_of(sqlite_url) as tables:
        shown = Watch(tables).lines()
    assert row_of(shown, "need a login") == ["1"]
    assert row_of(shown, "login") == ["1"], "the failure"
    assert f"  {row['user_name']}" in shown
    samples = run_command(sqlite_url, "stats", "--prometheus").out.splitlines()
    assert "zoho_tokenstore_tokens_needing_login 1" in samples
    assert 'zoho_tokenstore_refreshes_failed{kind="login"} 1' in samples


def row_of(lines, label):
    (line,) = [line for line in lines if line[:36].strip() == label]
    return line[36:].split()


def test_watch_shows_states_refreshes_and_users(shared_url):
    fill(shared_url)
    with tables_of(shared_url) as tables:
        lines = Watch(tables).lines()
    for label, number in {
        "logins": 5,
        "valid": 1,
        "due for a refresh within 5 minutes": 1,
        "expired": 2,
        "of unknown expiry": 1,
        "need a login": 1,
        "refreshes under way": 1,
        "refreshes that must wait": 1,
        "refreshes failed within 5 minutes": 3,
        "throttled": 1,
        "client": 1,
        "other": 1,
    }.items():
        assert row_of(lines, label) == [str(number)], label
    assert "  lapsed" in lines
    assert row_of(lines, "created") == ["5", "5", "5"]
    assert row_of(lines, "refreshed") == ["0", "0", "0"]
    assert max(map(len, lines[1:])) < 80


def test_whole_tables_are_read_for_a_twentieth_of_the_time(sqlite_url, monkeypatch):
    now, scans = 1000.0, 0
    count_logins = activity.count_logins

    def count_slowly(opened):
        nonlocal now, scans
        scans += 1
        now += 1.0
        return count_logins(opened)

    monkeypatch.setattr(watch, "count_logins", count_slowly)
    monkeypatch.setattr(watch.time, "monotonic", lambda: now)
    save(sqlite_url, login("alice"))
    with tables_of(sqlite_url) as tables:
        watched = Watch(tables)
        for _ in range(30):
            lines = watched.lines()
            now += watch.INTERVAL
    assert scans == 3
    assert "s ago" in lines[-1]


def test_recent_entries_are_found_by_the_primary_key(sqlite_url):
    save(sqlite_url, login("alice"))
    with tables_of(sqlite_url) as tables:
        sent = []
        engine = tables.database._connections.engines.autocommit
        event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2:4]))
        recent(tables, 5)
    ((statement, parameters),) = sent
    with_values = statement.replace("?", repr(parameters[0]))
    plan = execute(sqlite_url, text(f"EXPLAIN QUERY PLAN {with_values}"))
    assert any("SEARCH oauthtoken_audit" in row[3] for row in plan), plan
    assert not any("SCAN oauthtoken_audit" in row[3] for row in plan), plan


def test_a_database_that_fails_is_shown_until_it_is_back(sqlite_url):
    save(sqlite_url, login("alice"))
    with tables_of(sqlite_url) as tables:
        watched = Watch(tables)
        execute(sqlite_url, text("ALTER TABLE oauthtoken RENAME TO gone"))
        assert "no such table" in "\n".join(watched.lines())
        execute(sqlite_url, text("ALTER TABLE gone RENAME TO oauthtoken"))
        assert row_of(watched.lines(), "logins") == ["1"]


def test_watch_is_for_terminals(sqlite_url, run_command):
    save(sqlite_url, login("alice"))
    done = run_command(sqlite_url, "watch")
    assert (done.status, done.out) == (2, "")
    assert "--prometheus" in done.err


def test_a_terminal_is_updated_until_ctrl_c(sqlite_url):
    name = "bob\x1b]0;owned\x07"
    save(sqlite_url, make_token(name, access_token="1000.access.bob", expiry=EARLIER))
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "zoho_tokenstore", "watch"],
        env=environment(TERM="xterm", COLUMNS="80", LINES="30", ZOHO_TOKENSTORE_URL=sqlite_url),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.set_blocking(control, False)
    seen = b""

    def shows(wanted):
        nonlocal seen
        try:
            seen += os.read(control, 100_000)
        except OSError:
            time.sleep(0.05)
        return wanted in re.sub(rb" +", b" ", seen)

    wait_until(lambda: shows(b"logins 1"), 60)
    tokens = [login("alice")]
    save(sqlite_url, *tokens)
    wait_until(lambda: shows(b"logins 2"), 60)
    process.send_signal(signal.SIGINT)
    # A terminal that nobody reads keeps its writers waiting.
    wait_until(lambda: shows(b"") and process.poll() is not None, 60)
    assert process.wait() == 0
    os.close(control)
    assert rb"bob\x1b]0;owned\x07" in seen
    assert name.encode() not in seen
    assert known(tokens[0])["access_token"].encode() not in seen
