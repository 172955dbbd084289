"""Tables and files whose columns are not named as the SDKs' are."""

import json
import sqlite3
from contextlib import closing

import pytest

from sources import EXPIRY, header, line, sqlite_file, token

SECOND = EXPIRY // 1000
LOGIN = {"refresh_token": "1000.r", "access_token": "1000.a"}


def table(path, name, columns, *rows, more=""):
    """Make a table of an application's own."""
    marks = ", ".join("?" * len(rows[0]))
    names = ", ".join(each.split()[0] for each in columns.split(", "))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        connection.executemany(f"INSERT INTO {name} ({names}) VALUES ({marks})", rows)
        connection.executescript(more)
        connection.commit()


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs.db"


def test_a_table_as_applications_make_it_is_imported(command, theirs, tokens):
    columns = (
        "user_mail, client_id, refresh_token, access_token, grant_token, expiry_time INTEGER, "
        "redirect_url, api_domain, created_at"
    )
    row = ("a@example.com", "1000.C", "1000.r", "1000.a", None, SECOND, "https://r", "https://d", 5)
    table(theirs, "zoho_tokens", columns, row)
    done = command("import", "sqlite", theirs)
    assert (done.status, done.out.partition(",")[0]) == (0, "created: 1")
    assert done.err.splitlines() == [
        "not read: column created_at",
        "1 row: expiry in seconds converted to milliseconds",
    ]
    expected = {"user_name": "a@example.com", "client_id": "1000.C", "expiry": EXPIRY} | LOGIN
    expected |= {"redirect_url": "https://r", "api_domain": "https://d"}
    assert tokens("id") == [expected]


USERS = ("user_mail", "user_email", "email", "Mail", "user", "UserIdentifier", "E-Mail Address")


@pytest.mark.parametrize("user", USERS)
def test_common_names_of_columns_are_recognized(user, import_lines, tokens):
    names = (user, "ClientID", "client-secret", "refreshToken", "accesstoken", "expires_at")
    row = ("a@example.com", "1000.C", "s", "1000.r", "1000.a", str(EXPIRY))
    assert import_lines(",".join(names), ",".join(row)) == (0, {"created": 1}, [])
    expected = {"user_name": "a@example.com", "client_id": "1000.C", "client_secret": "s"}
    assert tokens("id") == [expected | LOGIN | {"expiry": EXPIRY}]


def test_the_sdks_own_name_comes_first_of_several(import_lines, tokens):
    names = "email,user_name,id,token_id,client_id,client_secret,refresh_token"
    row = "a@example.com,a@example.com:60001,mine,other,1000.C,s,1000.r"
    assert import_lines(names, row) == (
        0,
        {"created": 1},
        ["not read: columns email, token_id"],
    )
    assert [(each["user_name"], each["id"]) for each in tokens()] == [
        ("a@example.com:60001", "mine")
    ]


def test_columns_by_other_names_are_read_when_they_are_named(command, theirs, tokens):
    columns = "owner, app, secret, rt, access_token, user"
    row = ("a@example.com", "1000.C", "s", "1000.r", "1000.a", "7")
    table(theirs, "logins", columns, row)
    named = ("user_name=OWNER", "client_id=app", "client_secret=secret", "refresh_token=rt")
    options = [part for each in named for part in ("--columns", each)]
    done = command("import", "sqlite", theirs, *options)
    assert (done.status, done.err) == (0, "not read: column user\n")
    expected = {"user_name": "a@example.com", "client_id": "1000.C", "client_secret": "s"}
    assert tokens("id") == [expected | LOGIN | {"expiry": 0}]


@pytest.mark.parametrize(
    ("option", "status", "message"),
    [
        ("user=nobody", 1, "table 'oauthtoken' has no column 'nobody', which --columns names"),
        ("colour=blue", 2, "invalid --columns 'colour=blue': pass NAME=COLUMN"),
        ("user_name", 2, "invalid --columns 'user_name'"),
    ],
)
def test_wrong_columns_are_named(option, status, message, command, theirs, tokens):
    sqlite_file(theirs, rows=[token("alice")])
    done = command("import", "sqlite", theirs, "--columns", option)
    assert (done.status, done.out) == (status, "")
    assert message in done.err
    assert tokens() == []


MISSING = {
    "client_id": ("user_name, refresh_token, access_token", "lacks the columns client_id"),
    "refresh_token": ("user_name, client_id, rt", "lacks the columns refresh_token"),
    "user": ("owner, client_id, refresh_token", "has no column for the user"),
}


@pytest.mark.parametrize("named", [True, False], ids=["--table", "found"])
@pytest.mark.parametrize(("columns", "message"), MISSING.values(), ids=MISSING)
def test_a_missing_column_is_named_with_those_that_are_there(
    columns, message, named, command, theirs, tokens
):
    table(theirs, "logins", columns, ("x", "y", "z"))
    done = command("import", "sqlite", theirs, *(("--table", "logins") if named else ()))
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    if named or "rt" not in columns:
        assert f"table 'logins' {message}" in done.err
        assert f"its columns are id, {columns}" in done.err
    assert tokens() == []


def test_a_source_without_users_is_refused_unless_told(command, theirs, tokens, tmp_path):
    columns = "owner, client_id, refresh_token"
    table(theirs, "logins", columns, ("a@example.com", "1000.C", "1000.r"))
    path = tmp_path / "tokens.csv"
    path.write_text("owner,client_id,refresh_token\na@example.com,1000.C,1000.other\n")
    dump = tmp_path / "tokens.json"
    dump.write_text('[{"owner": "a@example.com", "client_id": "1000.C", "refresh_token": "1"}]')
    for kind, source in (("sqlite", theirs), ("filestore", path), ("json", dump)):
        done = command("import", kind, source)
        assert (done.status, done.out) == (1, "")
        assert "--columns user_name=COLUMN, or --without-users" in done.err
        assert tokens() == []
    for kind, source in (("sqlite", theirs), ("filestore", path), ("json", dump)):
        assert command("import", kind, source, "--without-users").status == 0
    assert [row.get("user_name") for row in tokens()] == [None] * 3
    assert command("import", "sqlite", theirs, "--columns", "user_name=owner").status == 0
    assert [row["user_name"] for row in tokens() if "user_name" in row] == ["a@example.com"]


def test_a_view_is_as_good_as_a_table(command, theirs, tokens):
    view = (
        "CREATE VIEW zoho AS SELECT owner AS user_name, app AS client_id, 's' AS client_secret, rt "
        "AS refresh_token, NULL AS access_token, NULL AS grant_token, expires AS expiry_time "
        "FROM logins"
    )
    table(theirs, "logins", "owner, app, rt, expires", ("a", "1000.C", "1000.r", SECOND), more=view)
    for options in ((), ("--table", "zoho")):
        assert command("import", "sqlite", theirs, *options).status == 0
    assert [(row["user_name"], row["refresh_token"]) for row in tokens()] == [("a", "1000.r")]


def test_a_view_of_a_table_with_an_sdks_columns_is_no_second_source(command, theirs, tokens):
    sqlite_file(theirs, "tokens_of_ours", rows=[token("alice")])
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("CREATE VIEW active AS SELECT * FROM tokens_of_ours")
    assert command("import", "sqlite", theirs).status == 0
    assert len(tokens()) == 1


SDK_2 = "useridentifier, accesstoken, refreshtoken, expirytime BIGINT"


def test_the_table_of_sdk_2_gets_its_client_by_option(command, theirs, tokens):
    table(theirs, "oauthtokens", SDK_2, ("a@example.com", "1000.a", "1000.r", EXPIRY))
    done = command("import", "sqlite", theirs)
    assert done.status == 1
    assert "table 'oauthtokens' lacks the columns client_id" in done.err
    assert "--client-id" in done.err
    client = ("--client-id", "1000.C", "--client-secret", "s")
    assert command("import", "sqlite", theirs, *client, "--json")[::2] == (0, "")
    expected = {"user_name": "a@example.com", "client_id": "1000.C", "client_secret": "s"}
    assert tokens("id") == [expected | LOGIN | {"expiry": EXPIRY}]


def test_a_client_by_option_changes_no_other_client(import_lines, tokens):
    rows = [
        token("alice", client_id="", client_secret=""),
        token("bob", 2, client_id="1000.other", client_secret=""),
        token("carol", 3),
    ]
    client = ("--client-id", "1000.C", "--client-secret", "s")
    assert import_lines(*(line("C", row) for row in rows), options=client)[0] == 0
    found = {row["user_name"]: (row["client_id"], row.get("client_secret")) for row in tokens()}
    assert found == {
        "alice": ("1000.C", "s"),
        "bob": ("1000.other", None),
        "carol": (token("x")["client_id"], token("x")["client_secret"]),
    }


def test_numbers_for_text_are_the_text(command, theirs, tokens):
    table(theirs, "logins", "member INT, client_id, refresh_token", (42, "1000.C", "1000.r"))
    assert command("import", "sqlite", theirs, "--columns", "user_name=member").status == 0
    assert [row["user_name"] for row in tokens()] == ["42"]


def test_adopt_takes_columns_by_other_names(run_command, tmp_path):
    path = tmp_path / "theirs.db"
    columns = "owner, refresh_token, access_token, grant_token, expiry_time"
    table(path, "oauthtoken", columns, ("a@example.com", "1000.r", "1000.a", None, "soon"))
    url = f"sqlite:///{path}"
    refused = run_command(url, "adopt", "--yes")
    assert refused.status == 1
    assert "lacks the columns client_id" in refused.err
    refused = run_command(url, "adopt", "--yes", "--client-id", "1000.C")
    assert refused.status == 1
    assert "has no column for the user" in refused.err
    options = ("--client-id", "1000.C", "--columns", "user_name=owner", "--json")
    done = run_command(url, "adopt", "--yes", *options)
    assert (done.status, json.loads(done.out)["created"]) == (0, 1)
    assert "1 row: expiry not understood: imported as expired" in done.err
    assert "a@example.com" in run_command(url, "list").out


def test_a_header_that_lost_a_part_is_no_token(import_lines, tokens):
    lines = [header("A")[3:], line("A", token("alice")), header("A")[:-3], header("A")[3:]]
    status, counts, messages = import_lines(*lines, line("A", token("bob")))
    assert (status, counts) == (1, {"created": 2, "left_out": 3})
    assert messages == [f"left out: line {n}: damaged header" for n in (1, 3, 4)]
    assert {row["user_name"] for row in tokens()} == {"alice", "bob"}
