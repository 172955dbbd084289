"""Taking over a table of the SDK's own ``DBStore`` in place, on every database."""

import json

import pytest
from sqlalchemy import create_engine, inspect, text

from commands import run_process
from support import LOGIN, known, login, sdk_error, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import SDKSchemaError
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import TokenSchema

KEY = Keyring.generate_key()
MANY = 1_100
"""More rows than are fetched at once."""

SECRETS = "refresh_token varchar(255), access_token varchar(255), grant_token varchar(255), "
DDL = {
    "A": "id int NOT NULL PRIMARY KEY, user_mail varchar(255) NOT NULL, client_id varchar(255), "
    f"{SECRETS} expiry_time varchar(20)",
    "B": "id varchar(255) NOT NULL PRIMARY KEY, user_mail varchar(255) NOT NULL, "
    f"client_id varchar(255), client_secret varchar(255), {SECRETS} expiry_time varchar(20), "
    "redirect_url varchar(255)",
    "C": "id varchar(10) NOT NULL PRIMARY KEY, user_name varchar(255), client_id varchar(255), "
    f"client_secret varchar(255), {SECRETS} expiry_time varchar(20), redirect_url varchar(255), "
    "api_domain varchar(255)",
}
COLUMNS = {
    layout: [part.split()[0] for part in ddl.split(", ") if part.strip()]
    for layout, ddl in DDL.items()
}
FIELDS = {"user_mail": "user_name", "expiry_time": "expiry"}
LAYOUTS = pytest.mark.parametrize("layout", DDL)
ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what does not depend on the database."""


def row(number, user, **changes):
    """Return what a table holds of a user, by field."""
    own = {name: f"1000.{name}.{number}" for name in ("refresh_token", "access_token")}
    return {"id": number, "user_name": user} | LOGIN | own | changes


ROWS = [
    row(1, "alice@example.com"),
    row(2, "bob@example.com", expiry="None"),
    row(3, "carol@example.com", refresh_token=None, access_token=None, expiry=None)
    | {"grant_token": "1000.unused"},
    row(10, "dave@example.com", client_id="1000.OTHER"),
]


class Sdk:
    """A database with a table of the SDK's DBStore."""

    def __init__(self, url, layout="C", rows=ROWS, table="oauthtoken"):
        self._engine = create_engine(url)
        columns = COLUMNS[layout]
        self.execute(f"CREATE TABLE {table} ({DDL[layout]})")
        values = ", ".join(f":{name}" for name in columns)
        given = [{name: each.get(FIELDS.get(name, name)) for name in columns} for each in rows]
        if layout != "A":
            given = [each | {"id": str(each["id"])} for each in given]
        self.execute(f"INSERT INTO {table} VALUES ({values})", given)

    def execute(self, statement, parameters=None):
        with self._engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def rows(self, table="oauthtoken"):
        with self._engine.connect() as connection:
            found = connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
            return [tuple(each) for each in found]

    def tables(self):
        return set(inspect(self._engine).get_table_names())

    def close(self):
        self._engine.dispose()


@pytest.fixture
def sdk(url):
    """Make a table of the SDK's in the empty database."""
    made = []

    def sdk(*arguments, **options):
        made.append(Sdk(url, *arguments, **options))
        return made[-1]

    yield sdk
    for each in made:
        each.close()


@pytest.fixture
def engine(url):
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def command(run_command, url):
    """Run a command on the database."""
    return lambda *arguments, keys="": run_command(url, *arguments, KEYS=keys)


def counts(out):
    return {name: number for name, number in json.loads(out).items() if number}


def tokens(url, table="oauthtoken", keys=None):
    keyring = Keyring.from_text(keys) if keys else None
    with SQLAlchemyTokenStore(url, table=table, keyring=keyring) as store:
        return sorted((known(token) for token in store.get_tokens()), key=by_user)


def by_user(fields):
    return str(fields.get("user_name"))


def expected(layout, rows=ROWS):
    """Return what comes over; contract A's numbers are no ids that its SDK knows."""
    names = {FIELDS.get(name, name) for name in COLUMNS[layout]} - {"id"}
    kept = []
    for each in rows:
        fields = {name: each[name] for name in names & set(each) if each[name] is not None}
        if layout != "A":
            fields["id"] = str(each["id"])
        if "expiry" in fields:
            fields["expiry"] = 0 if fields["expiry"] == "None" else int(fields["expiry"])
        kept.append(fields)
    return sorted(kept, key=by_user)


def without_ids_of_ours(found, layout):
    return [{n: v for n, v in each.items() if n != "id" or layout != "A"} for each in found]


@LAYOUTS
def test_a_store_refuses_the_table_until_it_is_adopted_and_has_all_of_it_then(
    layout, sdk, url, command
):
    theirs = sdk(layout)
    before = theirs.rows()
    with SQLAlchemyTokenStore(url) as store:
        with sdk_error(SDKSchemaError, "zoho-tokenstore adopt"):
            store.get_tokens()
        with sdk_error(SDKSchemaError, "zoho-tokenstore adopt"):
            store.save_token(login("eve"))
        assert theirs.tables() == {"oauthtoken"}
        status, out, err = command("adopt", "--yes", "--json")
        assert (status, counts(out)) == (0, {"created": len(ROWS)})
        assert "oauthtoken_sdk" in err
        assert without_ids_of_ours(tokens(url), layout) == expected(layout)
        assert len(stored(store)) == len(ROWS), "no restart is needed"
        store.save_token(login("eve"))
    assert theirs.rows("oauthtoken_sdk") == before
    assert command("check")[0] == 0


def test_adopting_without_a_word_and_without_a_terminal_changes_nothing(sdk, command):
    theirs = sdk()
    before = theirs.rows()
    status, out, err = command("adopt")
    assert (status, out) == (2, "")
    assert "--yes" in err
    assert len(err.splitlines()) == 1
    assert theirs.tables() == {"oauthtoken"}
    assert theirs.rows() == before


def test_what_was_ended_after_the_renaming_is_gone_on_with(sdk, url, database, command):
    theirs = sdk()
    before = theirs.rows()
    for _ in range(2):  # once is enough
        assert migrations.set_aside(database, TokenSchema()) == "oauthtoken_sdk"
        assert theirs.tables() == {"oauthtoken_sdk"}
    status, out, _ = command("adopt", "--yes", "--json")
    assert (status, counts(out)) == (0, {"created": len(ROWS)})
    assert tokens(url) == expected("C")
    assert theirs.rows("oauthtoken_sdk") == before


def test_what_was_ended_half_way_through_the_rows_is_gone_on_with(sdk, url, database, command):
    """Others use the new table already; nothing newer of theirs is undone."""
    theirs = sdk()
    migrations.set_aside(database, TokenSchema())
    migrations.upgrade(database, TokenSchema())
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice@example.com", access_token="1000.fresh", expiry=str(2**42)))
    status, out, _ = command("adopt", "--yes", "--json")
    assert (status, counts(out)) == (0, {"created": len(ROWS) - 1, "skipped": 1})
    found = {each["user_name"]: each for each in tokens(url)}
    assert len(found) == len(ROWS)
    assert found["alice@example.com"]["access_token"] == "1000.fresh"
    assert len(theirs.rows("oauthtoken_sdk")) == len(ROWS)


def test_adopting_twice_changes_nothing(sdk, url, command):
    theirs = sdk()
    assert command("adopt", "--yes")[0] == 0
    kept = theirs.rows("oauthtoken_sdk")
    before, tables = tokens(url), theirs.tables()
    audit = command("audit", "--json")[1]
    status, out, _ = command("adopt", "--yes", "--json")
    assert (status, counts(out)) == (0, {"unchanged": len(ROWS)})
    assert tokens(url) == before
    assert theirs.tables() == tables
    assert theirs.rows("oauthtoken_sdk") == kept
    assert command("audit", "--json")[1] == audit


@ON_SQLITE
def test_what_is_adopted_is_audited_as_imported(sdk, command):
    sdk()
    assert command("adopt", "--yes")[0] == 0
    entries = [json.loads(each) for each in command("audit", "--json")[1].splitlines()]
    assert {entry["event"] for entry in entries} == {"imported"}
    assert {entry["token_id"] for entry in entries} == {str(each["id"]) for each in ROWS}


def test_the_way_back_leaves_the_sdks_table_as_it_was_and_can_be_gone_again(sdk, url, command):
    theirs = sdk()
    before = theirs.rows()
    for _ in range(2):
        assert command("adopt", "--yes")[0] == 0
        assert tokens(url) == expected("C")
        assert command("downgrade", "base", "--yes")[0] == 0
        theirs.execute("ALTER TABLE oauthtoken_sdk RENAME TO oauthtoken")
        assert theirs.rows() == before
        with SQLAlchemyTokenStore(url) as store, sdk_error(SDKSchemaError):
            store.get_tokens()


def test_where_there_is_nothing_to_adopt_it_says_so_in_one_line(engine, command):
    assert inspect(engine).get_table_names() == []  # which creates an empty SQLite file
    status, out, err = command("adopt", "--yes")
    assert (status, out) == (1, "")
    assert "is not a table of the SDK's DBStore" in err
    assert len(err.splitlines()) == 1
    assert inspect(engine).get_table_names() == []


@ON_SQLITE
def test_our_own_table_is_not_adopted(url, engine, command):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        before = inspect(engine).get_table_names()
        status, out, err = command("adopt", "--yes")
        assert (status, out, len(err.splitlines())) == (1, "", 1)
        assert "is not a table of the SDK's DBStore" in err
        assert len(stored(store)) == 1
    assert inspect(engine).get_table_names() == before


@ON_SQLITE
@pytest.mark.parametrize("name", ["oauthtoken", "oauthtoken_sdk"])
def test_another_applications_table_is_not_adopted_and_nothing_is_created(name, engine, command):
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {name} (version varchar(20))"))
    status, out, err = command("adopt", "--yes")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert inspect(engine).get_table_names() == [name]


@ON_SQLITE
def test_two_tables_of_the_sdks_are_not_mixed(sdk, command):
    theirs = sdk()
    other = sdk("C", ROWS[:1], "oauthtoken_sdk")
    before = theirs.rows(), other.rows("oauthtoken_sdk")
    status, out, err = command("adopt", "--yes")
    assert (status, out) == (1, "")
    assert "'oauthtoken' and 'oauthtoken_sdk'" in err
    assert (theirs.rows(), other.rows("oauthtoken_sdk")) == before
    assert theirs.tables() == {"oauthtoken", "oauthtoken_sdk"}


def test_rows_that_cannot_be_read_are_named_and_stay_where_they_were(sdk, url, command):
    bad = [
        row(4, "erin@example.com", expiry="tomorrow", refresh_token=None),
        row(5, "frank@example.com", access_token=None, refresh_token=None),
    ]
    theirs = sdk("C", [*ROWS, *bad])
    before = theirs.rows()
    for expected_counts in ({"created": len(ROWS)}, {"unchanged": len(ROWS)}):
        status, out, err = command("adopt", "--yes", "--json")
        assert (status, counts(out)) == (1, expected_counts | {"left_out": len(bad)})
        named = [line for line in err.splitlines() if line.startswith("left out: row ")]
        assert len(named) == len(bad)
        assert "expiry" in err
        assert "the token is empty" in err
        assert "1000." not in err
    assert tokens(url) == expected("C")
    assert theirs.rows("oauthtoken_sdk") == before


@ON_SQLITE
def test_doubled_rows_become_one_and_the_later_expiry_wins(sdk, url, command):
    doubled = [
        row(1, "alice@example.com", access_token="1000.older"),
        row(2, "alice@example.com", access_token="1000.newer", expiry="1767229999000"),
        row(3, "alice@example.com", access_token="1000.oldest", expiry="1767220000000"),
        row(4, None),
        row(5, None),
    ]
    sdk("C", doubled)
    for expected_counts in (
        {"created": 3, "updated": 1, "skipped": 1},
        {"unchanged": 3, "skipped": 2},
    ):
        status, out, _ = command("adopt", "--yes", "--json")
        assert (status, counts(out)) == (0, expected_counts)
    found = tokens(url)
    assert [each.get("user_name") for each in found] == [None, None, "alice@example.com"]
    assert (found[2]["access_token"], found[2]["expiry"]) == ("1000.newer", 1767229999000)


@ON_SQLITE
def test_a_table_of_another_name_is_adopted_under_it(sdk, url, command):
    theirs = sdk("C", table="zoho_tokens")
    with SQLAlchemyTokenStore(url, table="zoho_tokens") as store:
        with sdk_error(SDKSchemaError, "zoho-tokenstore adopt --table zoho_tokens"):
            store.get_tokens()
        assert command("adopt", "--yes")[0] == 1
        assert theirs.tables() == {"zoho_tokens"}
        assert command("adopt", "--table", "zoho_tokens", "--yes")[0] == 0
    assert tokens(url, "zoho_tokens") == expected("C")
    assert len(theirs.rows("zoho_tokens_sdk")) == len(ROWS)


def test_what_is_adopted_with_keys_is_encrypted(sdk, url, command):
    theirs = sdk()
    assert command("adopt", "--yes", keys=KEY)[0] == 0
    assert tokens(url, keys=KEY) == expected("C")
    ours = repr(theirs.rows())
    assert "1000.access_token" not in ours
    assert "1000.refresh_token" not in ours
    assert LOGIN["client_secret"] not in ours


def test_more_rows_than_are_fetched_at_once_are_adopted(sdk, url, command):
    rows = [row(number, f"user {number:05}@example.com") for number in range(MANY)]
    theirs = sdk("C", rows)
    before = theirs.rows()
    status, out, _ = command("adopt", "--yes", "--json")
    assert (status, counts(out)) == (0, {"created": MANY})
    assert tokens(url) == expected("C", rows)
    assert theirs.rows("oauthtoken_sdk") == before


@ON_SQLITE
def test_the_real_command_asks_for_a_word_and_adopts(sdk, url):
    theirs = sdk()

    def adopt(*options):
        return run_process("adopt", *options, ZOHO_TOKENSTORE_URL=url)

    status, out, err = adopt()
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert theirs.tables() == {"oauthtoken"}
    assert adopt("--yes", "--json")[:2] == (
        0,
        '{"created": 4, "updated": 0, "unchanged": 0, "skipped": 0, "left_out": 0}\n',
    )
    assert tokens(url) == expected("C")


def test_a_table_without_needed_columns_is_left_as_it_is(command, engine):
    names = ("user_name", "access_token", "refresh_token", "grant_token", "expiry_time")
    with engine.begin() as connection:
        columns = ", ".join(f"{name} varchar(99)" for name in names)
        connection.execute(text(f"CREATE TABLE oauthtoken ({columns})"))
    done = command("adopt", "--yes")
    assert done.status == 1
    assert "lacks the columns client_id of an SDK's store" in done.err
    assert set(inspect(engine).get_table_names()) == {"oauthtoken"}


def test_a_table_without_a_usable_row_is_left_as_it_is(command, sdk):
    unusable = [
        row(n, name, expiry="soon", refresh_token=None) for n, name in enumerate(("a", "b"), 1)
    ]
    table = sdk("C", unusable)
    before = table.rows()
    done = command("adopt", "--yes")
    assert done.status == 1
    assert "no row of table 'oauthtoken' can be used" in done.err
    assert "row 1" in done.err
    assert (table.tables(), table.rows()) == ({"oauthtoken"}, before)
