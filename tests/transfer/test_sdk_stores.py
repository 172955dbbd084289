"""The real stores of the installed SDK: what they hold comes over, what goes back they can read."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, make_url, text

from commands import run_process
from sdks import SDK, UserSignature, imported, save
from support import LOGIN, known, login, make_token, stored
from zoho_tokenstore import SQLAlchemyTokenStore

FileStore = imported("api.authenticator.store.file_store", "FileStore")
DBStore = imported("api.authenticator.store.db_store", "DBStore")

NARROW = ("user_name", "client_id", "refresh_token", "access_token", "grant_token", "expiry")
FIELDS = {
    "A": NARROW,
    "B": (*NARROW, "id", "client_secret", "redirect_url"),
    "C": (*NARROW, "id", "client_secret", "redirect_url", "api_domain"),
}[SDK.contract]
"""What the SDK's stores keep of a token."""

TEXTS = ("client_secret", "refresh_token", "access_token", "grant_token")
TABLE = {
    "A": "id int NOT NULL AUTO_INCREMENT, user_mail varchar(255) NOT NULL, "
    "client_id varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), PRIMARY KEY (id)",
    "B": "id varchar(255) NOT NULL, user_mail varchar(255) NOT NULL, client_id varchar(255), "
    + "".join(f"{name} varchar(255), " for name in TEXTS)
    + "expiry_time varchar(20), redirect_url varchar(255), PRIMARY KEY (id)",
    "C": "id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    + "".join(f"{name} varchar(255), " for name in TEXTS)
    + "expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255), "
    "PRIMARY KEY (id)",
}[SDK.contract]


def user_token(number, user, **changes):
    """Make a token of a user; contract B's SDK gives it an id itself."""
    made = {"id": f"python_{number}_LOCAL_{number:04}"} if SDK.contract == "B" else {}
    return login(user, **made | changes)


def unused_grant(number, user):
    """Make a token as it is before its grant token is used."""
    fields = {name: LOGIN[name] for name in ("client_id", "client_secret", "redirect_url")}
    made = {"id": f"python_{number}_LOCAL_{number:04}"} if SDK.contract == "B" else {}
    return make_token(user, grant_token=f"1000.grant.{user}", **fields | made)


PLAIN = ("alice@example.com", "bob@example.com", "carol+crm@example.com")
STRANGE = PLAIN
if SDK.contract == "C":  # before, a user has to be a mail address
    PLAIN += ("zoë@example.com:60001234567",)
    STRANGE += ('pat "o\'brien", jr', "山田@example.com")


def some_tokens(users):
    """Return who is to be saved, and as what; only contract C knows logins without a user."""
    tokens = [(user, user_token(number, user)) for number, user in enumerate(users)]
    tokens += [("grant@example.com", unused_grant(len(users), "grant@example.com"))]
    if SDK.contract == "C":
        tokens += [
            (None, login(refresh_token=f"1000.nameless.{n}", access_token=f"1000.open.{n}"))
            for n in range(2)
        ]
    return tokens


def held(tokens):
    """Return what tokens hold of what the SDK's store can keep, in an order of its own."""
    fields = set(FIELDS) - ({"id"} if SDK.contract == "A" else set())
    rows = ({name: row[name] for name in fields & set(row)} for row in map(known, tokens))
    return sorted((dict(sorted(row.items())) for row in rows), key=repr)


def without_ids(rows):
    return sorted(({name: row[name] for name in row if name != "id"} for row in rows), key=repr)


def counts(out):
    return {name: number for name, number in json.loads(out).items() if number}


def fill(sdk_store, tokens):
    """Save tokens through the SDK's own store; return what it was given."""
    for user, token in tokens:
        save(sdk_store, token, user)
    return held(token for _, token in tokens)


@pytest.fixture
def filled_file(tmp_path):
    """A file that the SDK's FileStore has written, with values that need quotes."""
    path = tmp_path / "sdk_tokens.csv"
    quoted = user_token(99, "dave@example.com", refresh_token='1000."re,fresh"')
    tokens = [*some_tokens(STRANGE), ("dave@example.com", quoted)]
    tokens = fill(FileStore(str(path)), tokens)
    return SimpleNamespace(path=path, tokens=tokens)


def test_every_token_of_a_filestore_is_brought_over_exactly(filled_file, command, sqlite_url):
    before = filled_file.path.read_bytes()
    done = command("import", "filestore", filled_file.path, "--json")
    assert (done.status, done.err) == (0, "")
    assert counts(done.out) == {"created": len(filled_file.tokens)}
    with SQLAlchemyTokenStore(sqlite_url) as store:
        tokens = store.get_tokens()
        assert held(tokens) == filled_file.tokens
        assert {name for token in tokens for name in known(token)} <= {*FIELDS, "id"}
    assert filled_file.path.read_bytes() == before


def test_what_the_filestore_reads_is_what_the_store_reads(filled_file, command, sqlite_url):
    assert command("import", "filestore", filled_file.path)[0] == 0
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert held(store.get_tokens()) == held(FileStore(str(filled_file.path)).get_tokens())


def test_importing_a_filestore_again_doubles_nothing(filled_file, command, sqlite_url):
    assert command("import", "filestore", filled_file.path)[0] == 0
    with SQLAlchemyTokenStore(sqlite_url) as store:
        before = stored(store)
        status, out, _ = command("import", "filestore", filled_file.path, "--json")
        assert (status, counts(out)) == (0, {"unchanged": len(before)})
        assert stored(store) == before
    assert len(command("audit", "--json")[1].splitlines()) == len(before)


def test_what_changes_in_the_file_afterwards_comes_over_too(filled_file, command, sqlite_url):
    assert command("import", "filestore", filled_file.path)[0] == 0
    later = str(int(LOGIN["expiry"]) + 3_600_000)
    user = "alice@example.com"
    refreshed = user_token(0, user, access_token="1000.refreshed", expiry=later)
    save(FileStore(str(filled_file.path)), refreshed, user)
    status, out, _ = command("import", "filestore", filled_file.path, "--json")
    assert status == 0
    assert counts(out) == {"updated": 1, "unchanged": len(filled_file.tokens) - 1}
    with SQLAlchemyTokenStore(sqlite_url) as store:
        (row,) = [row for row in stored(store) if row.get("user_name") == user]
        assert (row["access_token"], row["expiry"]) == ("1000.refreshed", int(later))


@pytest.fixture
def exported(command, tmp_path, sqlite_url):
    """A file that was exported for the SDK's FileStore, and the tokens in the store."""
    path = tmp_path / "exported.csv"
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_tokens([token for _, token in some_tokens(STRANGE)])
        tokens = store.get_tokens()
    status, out, err = command("export", "filestore", path, "--layout", SDK.contract)
    assert (status, out) == (0, "")
    assert f"{len(tokens)} tokens exported unencrypted to {path}" in err
    return SimpleNamespace(path=path, tokens=tokens)


def test_what_is_exported_is_what_a_filestore_reads(exported):
    assert exported.path.stat().st_mode & 0o777 == 0o600
    read = FileStore(str(exported.path)).get_tokens()
    assert without_ids(held(read)) == without_ids(held(exported.tokens))
    ids = [known(token).get("id") for token in read]
    if SDK.contract == "B":
        assert held(read) == held(exported.tokens)
    if SDK.contract == "C":
        assert sorted(ids) == [str(number) for number in range(1, len(ids) + 1)]


def test_a_filestore_finds_every_user_in_what_is_exported(exported):
    file_store = FileStore(str(exported.path))
    for token in exported.tokens:
        row = known(token)
        if "user_name" not in row:
            continue
        if SDK.contract == "C":
            found = file_store.find_token(make_token(row["user_name"]))
            assert held([file_store.find_token_by_id(known(found)["id"])]) == held([found])
        else:
            asked = {name: row.get(name) for name in ("client_id", "refresh_token", "grant_token")}
            asked = make_token(**{name: value for name, value in asked.items() if value})
            found = file_store.get_token(UserSignature(row["user_name"]), asked)
        for name in ("access_token", "refresh_token", "expiry"):
            assert known(found).get(name) == row.get(name), name


def test_a_filestore_goes_on_with_what_is_exported(exported, command, sqlite_url):
    file_store = FileStore(str(exported.path))
    made = {"id": "python_new_LOCAL_0001"} if SDK.contract == "B" else {}
    save(file_store, login("new@example.com", **made), "new@example.com")
    assert len(file_store.get_tokens()) == len(exported.tokens) + 1
    status, out, _ = command("import", "filestore", exported.path, "--json")
    assert status == 0
    assert counts(out) == {"created": 1, "unchanged": len(exported.tokens)}
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert len(store.get_tokens()) == len(exported.tokens) + 1


def test_numbers_stay_the_ids_that_they_are(command, tmp_path, sqlite_url):
    if SDK.contract != "C":
        pytest.skip("only contract C's stores count on from an id")
    with SQLAlchemyTokenStore(sqlite_url) as store:
        for user, key in (("ten", "10"), ("hexadecimal", None), ("two", "2"), ("other", None)):
            store.save_token(login(user, **({"id": key} if key else {})))
    path = tmp_path / "exported.csv"
    assert command("export", "filestore", path)[0] == 0
    file_store = FileStore(str(path))
    file_store.save_token(login("new"))
    ids = {row["user_name"]: int(row["id"]) for row in map(known, file_store.get_tokens())}
    assert (ids["ten"], ids["two"]) == (10, 2)
    assert {ids["hexadecimal"], ids["other"], ids["new"]} == {11, 12, 13}


def test_exporting_and_importing_gives_the_same_tokens(exported, command, tmp_path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert command("upgrade", "--url", other)[0] == 0
    assert command("import", "filestore", exported.path, "--url", other)[0] == 0
    with SQLAlchemyTokenStore(other) as store:
        assert without_ids(held(store.get_tokens())) == without_ids(held(exported.tokens))


def test_an_export_in_a_process_is_what_the_tests_export(exported, sqlite_url, tmp_path):
    path = tmp_path / "again.csv"
    done = run_process(
        *("export", "filestore", path, "--layout", SDK.contract), ZOHO_TOKENSTORE_URL=sqlite_url
    )
    assert (done.status, done.out) == (0, ""), done.err
    assert path.read_bytes() == exported.path.read_bytes()


def test_a_file_that_is_there_is_only_overwritten_when_told_so(command, tmp_path, sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
    for kind, others in (("filestore", ("--layout", SDK.contract)), ("json", ())):
        path = tmp_path / f"exported.{kind}"
        path.write_text("precious")
        path.chmod(0o644)
        assert command("export", kind, path, *others)[0] == 2
        assert path.read_text() == "precious"
        assert command("export", kind, path, *others, "--yes")[0] == 0
        assert "1000.access.alice" in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.glob(f".exported.{kind}*")) == []


def test_json_is_a_list_of_what_is_stored(command, sqlite_url, tmp_path):
    path = tmp_path / "tokens.json"
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_tokens([login("alice"), login("bob")])
        tokens = stored(store)
        done = command("export", "json", path)
        assert (done.status, done.out) == (0, ""), done.err
        assert sorted(json.loads(path.read_text()), key=repr) == tokens
        store.delete_tokens()
    assert command("export", "json", path, "--yes")[0] == 0
    assert json.loads(path.read_text()) == []


@pytest.fixture
def filled_table(open_database):
    """A table that the SDK's DBStore has filled."""
    url = make_url(open_database("mariadb"))
    engine = create_engine(url)

    def execute(statement):
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else None

    execute(f"CREATE TABLE oauthtoken ({TABLE})")
    sdk_store = DBStore(
        host=url.host,
        database_name=url.database,
        user_name=url.username,
        password=url.password or "",
        port_number=url.port,
    )
    yield SimpleNamespace(
        url=url.render_as_string(hide_password=False),
        tokens=fill(sdk_store, some_tokens(PLAIN)),
        execute=execute,
        rows=lambda name="oauthtoken": execute(f"SELECT * FROM {name} ORDER BY id"),
    )
    engine.dispose()


def test_every_token_of_a_dbstore_is_brought_over_exactly(filled_table, command, sqlite_url):
    before = filled_table.rows()
    assert len(before) == len(filled_table.tokens)
    done = command("import", "dbstore", filled_table.url, "--json")
    assert (done.status, done.err) == (0, "")
    assert counts(done.out) == {"created": len(before)}
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert held(store.get_tokens()) == filled_table.tokens
    assert filled_table.rows() == before


def test_importing_a_dbstore_again_doubles_nothing(filled_table, command, sqlite_url):
    assert command("import", "dbstore", filled_table.url)[0] == 0
    with SQLAlchemyTokenStore(sqlite_url) as store:
        before = stored(store)
        status, out, _ = command("import", "dbstore", filled_table.url, "--json")
        assert (status, counts(out)) == (0, {"unchanged": len(before)})
        assert stored(store) == before


def test_a_table_of_another_name_is_found_or_named(filled_table, command, sqlite_url):
    filled_table.execute("RENAME TABLE oauthtoken TO tokens_of_last_year")
    filled_table.execute("CREATE TABLE invoices (id int)")
    assert command("import", "dbstore", filled_table.url, "--dry-run")[0] == 0
    filled_table.execute("CREATE TABLE copied AS SELECT * FROM tokens_of_last_year")
    status, out, err = command("import", "dbstore", filled_table.url)
    assert (status, out) == (1, "")
    assert "copied, tokens_of_last_year" in err
    assert "--table" in err
    before = filled_table.rows("tokens_of_last_year")
    named = ("--table", "tokens_of_last_year")
    status, out, _ = command("import", "dbstore", filled_table.url, *named, "--json")
    assert (status, counts(out)) == (0, {"created": len(before)})
    assert filled_table.rows("tokens_of_last_year") == before
    for wrong in ("invoices", "nothing"):
        status, _, err = command("import", "dbstore", filled_table.url, "--table", wrong)
        assert (status, len(err.splitlines())) == (1, 1), err
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert held(store.get_tokens()) == filled_table.tokens


def test_the_table_to_import_into_has_a_name_of_its_own(filled_table, command, sqlite_url):
    mine = ("--into-table", "mine")
    assert command("upgrade", "--table", "mine")[0] == 0
    assert command("import", "dbstore", filled_table.url, *mine)[0] == 0
    with (
        SQLAlchemyTokenStore(sqlite_url, table="mine") as store,
        SQLAlchemyTokenStore(sqlite_url) as other,
    ):
        assert held(store.get_tokens()) == filled_table.tokens
        assert stored(other) == []


def test_a_dbstore_that_cannot_be_reached_is_named_without_its_password(command):
    url = "mysql://root:a-password@127.0.0.1:1/zohooauth"
    status, out, err = command("import", "dbstore", url)
    assert (status, out) == (1, "")
    assert "127.0.0.1" in err
    assert "a-password" not in err
    assert len(err.splitlines()) == 1
