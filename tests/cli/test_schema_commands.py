"""The command line, run as users run it."""

import json
import os
import re
import subprocess
import sys

import pytest

from support import login
from zoho_tokenstore import SQLAlchemyTokenStore, __version__
from zoho_tokenstore.schema.state import HEAD


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ZOHO_TOKENSTORE_")}
    return subprocess.run(
        [sys.executable, "-m", "zoho_tokenstore", *arguments],
        env=clean | {"NO_COLOR": "1", "TERM": "dumb"} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_upgrade_current_check_downgrade(sqlite_url):
    upgraded = run("upgrade", "--url", sqlite_url)
    assert (upgraded.returncode, upgraded.stdout) == (0, "")
    assert f"is at revision {HEAD}" in upgraded.stderr
    assert run("upgrade", "--url", sqlite_url).returncode == 0
    assert run("current", "--url", sqlite_url).stdout == f"{HEAD} (head)\n"
    assert run("check", "--url", sqlite_url).returncode == 0
    down = run("downgrade", "base", "--url", sqlite_url)
    assert (down.returncode, down.stdout) == (0, "")
    current = run("current", "--url", sqlite_url)
    assert (current.returncode, current.stdout) == (0, "")
    assert "zoho-tokenstore upgrade" in current.stderr
    assert run("check", "--url", sqlite_url).returncode == 1


def test_downgrade_by_one_step(sqlite_url):
    run("upgrade", "--url", sqlite_url)
    assert run("downgrade", "-1", "--url", sqlite_url).returncode == 0


def test_downgrade_asks_for_a_word_when_tokens_are_stored(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
        refused = run("downgrade", "base", "--url", sqlite_url)
        assert refused.returncode == 1
        assert "--yes" in refused.stderr
        assert len(store.get_tokens()) == 1
    assert run("downgrade", "base", "--yes", "--url", sqlite_url).returncode == 0


def test_the_environment_names_the_database_and_options_come_first(sqlite_url, tmp_path):
    environ = {"ZOHO_TOKENSTORE_URL": sqlite_url, "ZOHO_TOKENSTORE_TABLE": "tokens"}
    assert run("upgrade", **environ).returncode == 0
    with SQLAlchemyTokenStore.from_env(environ) as store:
        store.save_token(login("alice"))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert run("upgrade", "--url", other, **environ).returncode == 0
    assert json.loads(run("current", "--json", "--url", other, **environ).stdout) == {
        "revision": HEAD,
        "head": HEAD,
    }
    assert run("current", "--table", "oauthtoken", **environ).stdout == ""


def test_history_needs_no_database():
    assert run("history").stdout.startswith(f"{HEAD} (head): ")
    assert json.loads(run("history", "--json").stdout)[0]["revision"] == HEAD


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
def test_sql_is_printed_without_driver_and_without_database(url):
    up = run("upgrade", "--sql", "--table", "mine", "--url", url)
    assert up.returncode == 0, up.stderr
    assert "CREATE TABLE mine (" in up.stdout
    assert "mine_version" in up.stdout
    assert ":" not in re.sub(r"'[^']*'", "", up.stdout), "a script has no parameters"
    down = run("downgrade", "base", "--sql", "--table", "mine", "--url", url)
    assert "DROP TABLE mine" in down.stdout


@pytest.mark.parametrize(
    ("url", "text", "moment"),
    [
        ("postgresql+psycopg2://h/d", "TEXT", "TIMESTAMP WITH TIME ZONE"),
        ("mysql+mysqldb://h/d", "TEXT", "DATETIME(6)"),
        ("mssql+pyodbc://h/d", "NVARCHAR(max)", "DATETIMEOFFSET"),
        ("oracle+oracledb://h/d", "CLOB", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_every_database_keeps_all_of_unicode_and_microseconds(url, text, moment):
    script = run("upgrade", "--sql", "--url", url).stdout
    assert f"user_name {text}" in script
    assert f"created_at {moment} NOT NULL" in script


def test_version_and_help():
    assert run("--version").stdout.strip() == __version__
    assert "upgrade" in run("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("upgrade",), 2, "ZOHO_TOKENSTORE_URL"),
        (("upgrade", "--url", "no url"), 2, "not a database URL"),
        (("upgrade", "--url", "sqlite://", "--table", "a b"), 2, "letters, digits"),
        (("fly",), 2, "No such command"),
        (("downgrade", "--url", "sqlite://"), 2, "Missing argument"),
        (("upgrade", "--url", "sqlite:////no/such/folder/x.db"), 1, "create it first"),
        (("upgrade", "--url", "nodb://host/x"), 2, "the database URL cannot be used"),
        (("upgrade", "9999", "--url", "sqlite://"), 1, "Can't locate revision"),
        (("upgrade", "--url", "mysql+asyncmy://h/d"), 1, "zoho-tokenstore[mysql]"),
    ],
)
def test_failures_are_one_clear_line_and_the_right_status(arguments, status, message):
    result = run(*arguments)
    assert result.returncode == status, result.stderr
    assert re.sub(r"\s+", " ", result.stderr).find(message) >= 0, result.stderr
    assert "Traceback" not in result.stderr
    if status == 1:
        assert result.stderr.count("\n") == 1


def test_passwords_are_not_shown():
    result = run("upgrade", "--url", "mysql+asyncmy://me:s3cret-word@h/d?password=s3cret-word")
    assert result.returncode == 1
    assert "s3cret" not in result.stdout + result.stderr


def test_the_demonstration_runs_to_its_end():
    result = run("demo", COLUMNS="200")
    assert result.returncode == 0, result.stderr
    for words in (
        "alice@example.com:60001234567",
        "3 logins and 1 refresh\n",
        "removed from the store",
        "Database file: ",
    ):
        assert words in result.stdout
    assert not re.search(r"1000\.[0-9a-f]{32}", result.stdout), "a token is shown"
