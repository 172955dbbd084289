"""``upgrade``, ``downgrade``, ``check``, ``current`` and ``history``, and their failures."""

import json
import re

import pytest

from support import login
from zoho_tokenstore import SQLAlchemyTokenStore, __version__
from zoho_tokenstore.schema.state import HEAD


def test_upgrade_current_check_downgrade(sqlite_url, run_command):
    upgraded = run_command(None, "upgrade", "--url", sqlite_url)
    assert (upgraded.status, upgraded.out) == (0, "")
    assert f"is at revision {HEAD}" in upgraded.err
    assert run_command(None, "upgrade", "--url", sqlite_url).status == 0
    assert run_command(None, "current", "--url", sqlite_url).out == f"{HEAD} (head)\n"
    assert run_command(None, "check", "--url", sqlite_url).status == 0
    down = run_command(None, "downgrade", "base", "--url", sqlite_url)
    assert (down.status, down.out) == (0, "")
    current = run_command(None, "current", "--url", sqlite_url)
    assert (current.status, current.out) == (0, "")
    assert "zoho-tokenstore upgrade" in current.err
    assert run_command(None, "check", "--url", sqlite_url).status == 1


def test_downgrade_by_one_step(sqlite_url, run_command):
    run_command(None, "upgrade", "--url", sqlite_url)
    assert run_command(None, "downgrade", "-1", "--url", sqlite_url).status == 0


def test_downgrade_asks_for_a_word_when_tokens_are_stored(sqlite_url, run_command):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
        refused = run_command(None, "downgrade", "base", "--url", sqlite_url)
        assert refused.status == 1
        assert "--yes" in refused.err
        assert len(store.get_tokens()) == 1
    assert run_command(None, "downgrade", "base", "--yes", "--url", sqlite_url).status == 0


def test_the_environment_names_the_database_and_options_come_first(
    sqlite_url, tmp_path, run_command
):
    environ = {"URL": sqlite_url, "TABLE": "tokens"}
    assert run_command(None, "upgrade", **environ).status == 0
    named = {f"ZOHO_TOKENSTORE_{name}": value for name, value in environ.items()}
    with SQLAlchemyTokenStore.from_env(named) as store:
        store.save_token(login("alice"))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert run_command(None, "upgrade", "--url", other, **environ).status == 0
    assert json.loads(run_command(None, "current", "--json", "--url", other, **environ).out) == {
        "revision": HEAD,
        "head": HEAD,
    }
    assert run_command(None, "current", "--table", "oauthtoken", **environ).out == ""


def test_history_needs_no_database(run_command):
    assert run_command(None, "history").out.startswith(f"{HEAD} (head): ")
    assert json.loads(run_command(None, "history", "--json").out)[0]["revision"] == HEAD


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///x.db",
        "postgresql+psycopg2://h/d",
        "mysql+mysqldb://h/d",
        "mssql+pyodbc://h/d",
        "oracle+oracledb://h/d",
    ],
)
def test_sql_is_printed_without_driver_and_without_database(url, run_command):
    up = run_command(None, "upgrade", "--sql", "--table", "mine", "--url", url)
    assert up.status == 0, up.err
    assert "CREATE TABLE mine (" in up.out
    assert "mine_version" in up.out
    assert ":" not in re.sub(r"'[^']*'", "", up.out), "a script has no parameters"
    down = run_command(None, "downgrade", "base", "--sql", "--table", "mine", "--url", url)
    assert "DROP TABLE mine" in down.out


@pytest.mark.parametrize(
    ("url", "text", "moment"),
    [
        ("postgresql+psycopg2://h/d", "TEXT", "TIMESTAMP WITH TIME ZONE"),
        ("mysql+mysqldb://h/d", "TEXT", "DATETIME(6)"),
        ("mssql+pyodbc://h/d", "NVARCHAR(max)", "DATETIMEOFFSET"),
        ("oracle+oracledb://h/d", "CLOB", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_every_database_keeps_all_of_unicode_and_microseconds(url, text, moment, run_command):
    script = run_command(None, "upgrade", "--sql", "--url", url).out
    assert f"user_name {text}" in script
    assert f"created_at {moment} NOT NULL" in script


def test_version_and_help(run_command):
    assert run_command(None, "--version").out.strip() == __version__
    assert "upgrade" in run_command(None, "--help").out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("upgrade",), 2, "ZOHO_TOKENSTORE_URL"),
        (("upgrade", "--url", "no url"), 2, "not a database URL"),
        (("upgrade", "--url", "sqlite://", "--table", "a b"), 2, "letters, digits"),
        (("fly",), 2, "No such command"),
        (("downgrade", "--url", "sqlite://"), 2, "Missing argument"),
        (("upgrade", "--url", "sqlite:////no/such/folder/x.db"), 1, "does not exist: create it"),
        (("upgrade", "--url", "nodb://host/x"), 2, "invalid database URL for nodb"),
        (("upgrade", "9999", "--url", "sqlite://"), 1, "Can't locate revision"),
        (("upgrade", "--url", "mysql+cymysql://h/d"), 1, "cymysql"),
    ],
)
def test_failures_are_one_clear_line_and_the_right_status(arguments, status, message, run_command):
    result = run_command(None, *arguments)
    assert result.status == status, result.err
    assert re.sub(r"\s+", " ", result.err).find(message) >= 0, result.err
    assert "Traceback" not in result.err
    if status == 1:
        assert result.err.count("\n") == 1


def test_passwords_are_not_shown(run_command):
    result = run_command(
        None, "upgrade", "--url", "mysql+cymysql://me:s3cret-word@h/d?password=s3cret-word"
    )
    assert result.status == 1
    assert "s3cret" not in result.out + result.err


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_commands_for_the_schema_ask_for_no_keys(sqlite_url, run_command, command):
    assert run_command(sqlite_url, "upgrade").status == 0
    for settings in ({"KEYS": "garbage"}, {"KEYS_FILE": "/none"}):
        assert run_command(sqlite_url, command, **settings).status == 0
