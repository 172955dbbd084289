"""The URL of a source, whose password other users of the machine need not see."""

import pytest

from commands import run_in_terminal
from sources import sqlite_file, token


@pytest.fixture
def source(tmp_path):
    sqlite_file(tmp_path / "theirs.db", rows=[token("alice")])
    return f"sqlite:///{tmp_path}/theirs.db"


def test_the_url_of_a_source_may_be_in_the_environment(run_command, sqlite_url, source):
    done = run_command(sqlite_url, "import", "dbstore", SOURCE_URL=source)
    assert (done.status, done.out.partition(",")[0]) == (0, "created: 1")
    missing = "sqlite:////none/other.db"
    done = run_command(sqlite_url, "import", "dbstore", source, SOURCE_URL=missing)
    assert done.out.startswith("created: 0, updated: 0, unchanged: 1")


def test_a_client_secret_may_be_in_the_environment(run_command, sqlite_url, tmp_path, tokens):
    path = tmp_path / "tokens.csv"
    path.write_text("email,accesstoken,refreshtoken\na@example.com,1000.a,1000.r\n")
    arguments = ("import", "filestore", path, "--client-id", "1000.C")
    assert run_command(sqlite_url, *arguments, SOURCE_CLIENT_SECRET="s").status == 0
    assert [(row["client_id"], row["client_secret"]) for row in tokens()] == [("1000.C", "s")]


def test_without_a_url_and_a_terminal_the_variable_is_named(run_command, sqlite_url):
    done = run_command(sqlite_url, "import", "dbstore")
    assert (done.status, done.out) == (2, "")
    assert "source URL missing: set ZOHO_TOKENSTORE_SOURCE_URL" in done.err


def test_a_terminal_asks_for_the_url_and_does_not_show_it(sqlite_url, source):
    arguments = ("import", "dbstore", "--url", sqlite_url)
    status, seen = run_in_terminal(*arguments, answer=f"{source}\n", asked="URL of the source: ")
    assert (status, "created: 1" in seen) == (0, True), seen
    assert "theirs.db" not in seen
