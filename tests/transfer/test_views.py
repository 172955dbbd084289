"""Views with an SDK's columns: imported as tables are, never adopted."""

import json

import pytest
from sqlalchemy import text

from support import execute

VIEWS = [
    ("sqlite", "VIEW"),
    ("postgresql", "VIEW"),
    ("postgresql", "MATERIALIZED VIEW"),
    ("mariadb", "VIEW"),
    ("mysql", "VIEW"),
]


@pytest.fixture(params=VIEWS, ids=" ".join)
def theirs(request, open_database):
    """The URL of a database where ``oauthtoken`` is a view of two tokens in another table."""
    kind, view = request.param
    url = open_database(kind)
    names = "client_id, client_secret, refresh_token, access_token, grant_token, expiry_time"
    columns = ", ".join(f"{name} varchar(255)" for name in ("id", "owner", *names.split(", ")))
    execute(url, text(f"CREATE TABLE theirs ({columns})"))
    for user in ("alice", "bob"):
        row = f"'{user}', '{user}', 'c', 's', '1000.r.{user}', '1000.a.{user}', NULL, NULL"
        execute(url, text(f"INSERT INTO theirs VALUES ({row})"))
    view = f"CREATE {view} oauthtoken AS SELECT id, owner AS user_name, {names} FROM theirs"
    execute(url, text(view))
    return url


@pytest.mark.parametrize("options", [(), ("--table", "oauthtoken")], ids=["found", "named"])
def test_a_view_is_imported(theirs, tmp_path, run_command, options):
    target = f"sqlite:///{tmp_path / 'ours.db'}"
    done = run_command(target, "import", "dbstore", theirs, *options, "--json")
    assert (done.status, json.loads(done.out)["created"]) == (0, 2), done.err


def test_a_view_is_not_adopted_and_nothing_is_changed(theirs, run_command):
    for _ in range(2):
        done = run_command(theirs, "adopt", "--yes")
        assert done.status == 1
        assert "'oauthtoken' is a view" in done.err
        assert "import dbstore --table oauthtoken --into-table" in done.err
    assert execute(theirs, text("SELECT count(*) FROM oauthtoken")) == [(2,)]
    missing = run_command(theirs, "upgrade")
    assert "belongs to the SDK's DBStore" in missing.err
