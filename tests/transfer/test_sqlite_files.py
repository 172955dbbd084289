"""SQLite files of other applications as sources: found, read as they stand, never changed."""

import json
import sqlite3
from contextlib import closing

import pytest

from sources import (
    LATER,
    LAYOUTS,
    kept_without_ids,
    line,
    sqlite_file,
    token,
)
from support import login
from zoho_tokenstore import SQLAlchemyTokenStore


@LAYOUTS
def test_a_table_in_sqlite_is_found_by_its_columns(layout, command, tmp_path, tokens):
    rows = [token("alice", 1), token("bob", 2, expiry=None), token("carol", 3, expiry=str(LATER))]
    path = tmp_path / "theirs.db"
    sqlite_file(path, "their tokens", layout, rows)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER, client_id TEXT)")
    status, out, err = command("import", "sqlite", path)
    assert (status, err) == (0, "not read: column note\n")
    assert out.startswith("created: 3, ")
    expected = kept_without_ids(layout, rows[0], rows[1] | {"expiry": 0}, token("carol", 3))
    expected[-1]["expiry"] = LATER
    assert tokens("id") == expected


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_an_sqlite_file_is_not_changed_by_reading_it(journal, command, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "theirs.db"
    sqlite_file(path, rows=[token("alice")], journal=journal)
    before = path.read_bytes()
    assert command("import", "sqlite", path)[0] == 0
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal,)
        assert connection.execute("SELECT count(*) FROM oauthtoken").fetchone() == (1,)


def test_an_sqlite_file_in_use_is_read_as_it_stands(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    sqlite_file(path, rows=[token("alice", 1)], journal="wal")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO oauthtoken SELECT * FROM oauthtoken")
        connection.execute("UPDATE oauthtoken SET user_name = 'bob', id = '2' WHERE rowid = 2")
        connection.execute("UPDATE oauthtoken SET refresh_token = 'r' WHERE rowid = 2")
        connection.commit()
        connection.execute("DELETE FROM oauthtoken")
        assert command("import", "sqlite", path)[0] == 0
    assert [row["user_name"] for row in tokens()] == ["alice", "bob"]


@pytest.mark.parametrize("name", ["100%25 mine%.db", "what?.db", "a#b.db", "it's {here}.db"])
def test_an_sqlite_file_may_have_any_name(name, command, tmp_path, tokens):
    sqlite_file(tmp_path / name, rows=[token("alice")])
    assert command("import", "sqlite", tmp_path / name)[0] == 0
    assert len(tokens()) == 1


def test_our_own_table_is_no_source(command, tmp_path):
    path = tmp_path / "ours.db"
    with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
        store.save_token(login("alice"))
    for options in ((), ("--table", "oauthtoken")):
        status, out, err = command("import", "sqlite", path, *options)
        assert (status, out) == (1, "")
        assert "table 'oauthtoken' is not a table of an SDK's store" in err
        assert len(err.splitlines()) == 1


def test_one_of_several_tables_has_to_be_named(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    sqlite_file(path, "one", rows=[token("alice", 1)])
    sqlite_file(path, "two", rows=[token("bob", 2)])
    status, _, err = command("import", "sqlite", path)
    assert (status, "--table" in err) == (1, True)
    assert command("import", "sqlite", path, "--table", "two")[0] == 0
    assert [row["user_name"] for row in tokens()] == ["bob"]


def test_rows_of_a_table_that_cannot_be_used_are_named(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    rows = [
        token("alice", 1),
        token("bob", 2, expiry="soon", refresh_token=None),
        token("carol", 3, access_token=b"blob"),
        token("dave", 4, refresh_token=0.5),
        token("erin", 5),
    ]
    sqlite_file(path, rows=rows)
    status, out, err = command("import", "sqlite", path, "--json")
    assert (status, json.loads(out)["left_out"]) == (1, 3)
    left_out = [each for each in err.splitlines() if each.startswith("left out: ")]
    assert [each.split(": ")[1] for each in left_out] == ["row 2", "row 3", "row 4"]
    assert [row["user_name"] for row in tokens()] == ["alice", "erin"]


def test_what_is_no_sqlite_file_is_one_line_and_status_1(command, tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text(line("C", token("alice")) * 20)
    status, out, err = command("import", "sqlite", path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert path.read_text() == line("C", token("alice")) * 20


UNUSABLE_URLS = ["no url", "nonsense://u:a-password@host/db", "oracle://u:a-password@host/db"]


@pytest.mark.parametrize("url", [*UNUSABLE_URLS, "sqlite://"])
def test_a_database_that_cannot_be_used_is_one_line_and_shows_no_password(url, command):
    status, out, err = command("import", "dbstore", url)
    assert (status in {1, 2}, out, len(err.splitlines())) == (True, "", 1)
    assert "a-password" not in err
