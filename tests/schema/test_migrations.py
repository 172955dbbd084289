"""The schema: set up, moved up and down, recognised, and kept apart from other tables."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, make_url, text

from support import login, sdk_error, stored
from zoho_tokenstore import OAuthTokenRow, SQLAlchemyTokenStore, TokenPolicy
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import (
    ForeignSchemaError,
    MigrationError,
    SchemaMissingError,
    SchemaNewerError,
    SchemaOlderError,
    SDKSchemaError,
)
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import HEAD, REVISIONS, TokenSchema
from zoho_tokenstore.tokens.digests import digest

ROOT = Path(__file__).parents[2]
SCHEMA = TokenSchema()


def execute(database, *statements):
    def work(session):
        for statement in statements:
            session.execute(text(statement))

    database.write(work)


def read(database, work):
    return database.read(lambda session: work(session.connection()))


def tables(database):
    return set(read(database, lambda connection: inspect(connection).get_table_names()))


def test_the_known_revisions_are_those_in_the_folder():
    scripts = ScriptDirectory(str(migrations.migrations_path()))
    assert tuple(reversed([s.revision for s in scripts.walk_revisions()])) == REVISIONS
    assert scripts.get_current_head() == HEAD
    assert [revision for revision, _ in migrations.history()] == list(reversed(REVISIONS))


def test_up_down_up_leaves_no_drift_at_any_step(database):
    for revision in REVISIONS:
        migrations.upgrade(database, SCHEMA, revision)
        assert database.read(lambda session: SCHEMA.revision(session.connection())) == revision
    migrations.check(database, SCHEMA)
    migrations.downgrade(database, SCHEMA, "base")
    assert tables(database) == {"oauthtoken_version"}
    migrations.upgrade(database, SCHEMA)
    migrations.check(database, SCHEMA)


def test_check_fails_when_the_table_differs_from_the_model(database):
    migrations.upgrade(database, SCHEMA)
    (index,) = [i for i in SCHEMA.table.indexes if i.name == "ix_oauthtoken_grant_digest"]
    database.migrate(index.drop)
    with pytest.raises(MigrationError, match="ix_oauthtoken_grant_digest"):
        migrations.check(database, SCHEMA)


def test_check_fails_on_an_empty_database(database):
    with pytest.raises(MigrationError, match="not up to date"):
        migrations.check(database, SCHEMA)


def test_the_hosts_own_tables_are_not_compared_or_touched(database):
    execute(
        database,
        "CREATE TABLE invoices (id INTEGER)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "INSERT INTO alembic_version VALUES ('host')",
    )
    migrations.upgrade(database, SCHEMA)
    migrations.check(database, SCHEMA)
    migrations.downgrade(database, SCHEMA, "base")
    assert {"invoices", "alembic_version"} <= tables(database)


def test_the_model_can_be_created_by_a_host_applications_metadata(database):
    database.write(lambda session: OAuthTokenRow.metadata.create_all(session.connection()))
    execute(
        database,
        "CREATE TABLE oauthtoken_version (version_num VARCHAR(32))",
        f"INSERT INTO oauthtoken_version VALUES ('{HEAD}')",
    )
    migrations.check(database, SCHEMA)


def test_an_unknown_revision_is_an_error(database):
    with pytest.raises(MigrationError, match="Can't locate revision"):
        migrations.upgrade(database, SCHEMA, "9999")
    assert "oauthtoken" not in tables(database)


def test_a_migration_that_fails_half_way_leaves_nothing(sqlite_url, monkeypatch):
    database = Database(sqlite_url)
    fail_after_upgrade(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        migrations.upgrade(database, SCHEMA)
    assert tables(database) == set()
    database.close()


def test_a_migration_that_failed_is_done_by_the_next_use(database, url, monkeypatch):
    fail_after_upgrade(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        migrations.upgrade(database, SCHEMA)
    monkeypatch.undo()
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
    migrations.check(database, SCHEMA)


def fail_after_upgrade(monkeypatch):
    def fail(config, *arguments, **options):
        command.upgrade(config, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "command", type("command", (), {"upgrade": fail}))


def test_a_set_up_that_was_cut_short_is_begun_again(database, url):
    database.migrate(SCHEMA.table.create)
    with (
        SQLAlchemyTokenStore(url, create=False) as store,
        sdk_error(SchemaMissingError, "run zoho-tokenstore upgrade"),
    ):
        store.get_tokens()
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
    migrations.check(database, SCHEMA)
    execute(database, "DROP TABLE oauthtoken_version")
    with pytest.raises(MigrationError, match="has tokens but no revision"):
        migrations.upgrade(database, SCHEMA)


def test_create_false_neither_creates_a_file_nor_a_table(sqlite_url, tmp_path):
    with SQLAlchemyTokenStore(sqlite_url, create=False) as store:
        with sdk_error(SchemaMissingError, "zoho-tokenstore upgrade"):
            store.save_token(login("alice"))
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "tokens.db").touch()
        with sdk_error(SchemaMissingError, "run zoho-tokenstore upgrade"):
            store.get_tokens()
        other = Database(sqlite_url)
        assert tables(other) == set()
        migrations.upgrade(other, SCHEMA)
        other.close()
        store.save_token(login("alice"))


def test_a_newer_table_is_refused_with_the_command_that_helps(database, url):
    migrations.upgrade(database, SCHEMA)
    execute(database, "UPDATE oauthtoken_version SET version_num = 'ffff'")
    with (
        SQLAlchemyTokenStore(url) as store,
        sdk_error(SchemaNewerError, "pip install --upgrade zoho-tokenstore"),
    ):
        store.get_tokens()
    with pytest.raises(SchemaNewerError):
        migrations.upgrade(database, SCHEMA)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_table_is_refused_with_the_command_that_helps(database, url, revision):
    migrations.upgrade(database, SCHEMA, revision)
    with SQLAlchemyTokenStore(url) as store:
        with sdk_error(SchemaOlderError, "run zoho-tokenstore upgrade"):
            store.get_tokens()
        migrations.upgrade(database, SCHEMA)
        assert store.get_tokens() == []


SDK_TABLE = """
    CREATE TABLE oauthtoken (
        id varchar(10) PRIMARY KEY, user_name varchar(255), client_id varchar(255),
        client_secret varchar(255), refresh_token varchar(255), access_token varchar(255),
        grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255),
        api_domain varchar(255))
"""


@pytest.mark.parametrize(
    ("ddl", "maker", "kind"),
    [
        (SDK_TABLE, "belongs to the SDK's DBStore", SDKSchemaError),
        (
            "CREATE TABLE oauthtoken (token TEXT)",
            "belongs to another application",
            ForeignSchemaError,
        ),
    ],
)
def test_a_foreign_table_is_recognised_and_left_alone(database, url, ddl, maker, kind):
    execute(database, ddl)
    with (
        SQLAlchemyTokenStore(url) as store,
        sdk_error(kind, maker) as caught,
    ):
        store.save_token(login("alice"))
    assert "zoho-tokenstore upgrade --table zoho_oauthtoken" in str(caught.value)
    with pytest.raises(ForeignSchemaError):
        migrations.upgrade(database, SCHEMA)
    assert tables(database) == {"oauthtoken"}
    with SQLAlchemyTokenStore(url, table="zoho_oauthtoken") as store:
        store.save_token(login("alice"))


@pytest.mark.parametrize(
    ("revision", "column"),
    [("0003", "login_at TIMESTAMP NULL"), ("0005", "superseded_digest VARCHAR(64) NULL")],
)
def test_columns_that_a_migration_cut_short_has_left_are_kept(database, url, revision, column):
    migrations.upgrade(database, SCHEMA, revision)
    execute(database, f"ALTER TABLE oauthtoken ADD COLUMN {column}")
    migrations.upgrade(database, SCHEMA)
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        assert len(stored(store)) == 1


def test_a_token_of_an_older_table_is_there_after_the_upgrade_and_after_the_way_back(database, url):
    migrations.upgrade(database, SCHEMA, "0003")
    names = "id_digest, id, identity_digest, user_name, refresh_token, created_at, updated_at"
    values = f"'{digest('id', 'one')}', 'one', 'i', 'alice', 'refresh', '2026-01-01', '2026-01-01'"
    execute(database, f"INSERT INTO oauthtoken ({names}) VALUES ({values})")
    migrations.upgrade(database, SCHEMA)
    with SQLAlchemyTokenStore(url, policy=TokenPolicy(max_age=10**9, max_idle=10**9)) as store:
        assert [row["refresh_token"] for row in stored(store)] == ["refresh"]
    migrations.downgrade(database, SCHEMA, "0003", confirmed=True)
    assert read(database, lambda c: c.execute(text("SELECT id FROM oauthtoken")).scalar()) == "one"


@pytest.mark.parametrize("table", ["", "_lease", "_key", "_audit"])
def test_a_table_that_is_missing_is_named_and_created_by_an_upgrade_only(database, url, table):
    migrations.upgrade(database, SCHEMA)
    execute(database, f"DROP TABLE oauthtoken{table}")
    with SQLAlchemyTokenStore(url) as store:
        with sdk_error(SchemaMissingError, f"table 'oauthtoken{table}' is missing"):
            store.get_tokens()
        assert f"oauthtoken{table}" not in tables(database)
        migrations.upgrade(database, SCHEMA)
        migrations.check(database, SCHEMA)
        assert store.get_tokens() == []


def test_two_stores_with_different_tables_share_a_database(url, database):
    with (
        SQLAlchemyTokenStore(url) as one,
        SQLAlchemyTokenStore(url, table="others") as other,
    ):
        one.save_token(login("alice"))
        other.save_token(login("bob"))
        assert [row["user_name"] for row in stored(one)] == ["alice"]
        assert [row["user_name"] for row in stored(other)] == ["bob"]
    assert tables(database) == {
        "oauthtoken",
        "oauthtoken_audit",
        "oauthtoken_key",
        "oauthtoken_lease",
        "oauthtoken_version",
        "others",
        "others_audit",
        "others_key",
        "others_lease",
        "others_version",
    }
    migrations.check(database, TokenSchema("others"))


def test_a_schema_of_its_own_works(server_url):
    database = Database(server_url)
    name = f"vault_{uuid4().hex[:8]}"
    execute(database, f"CREATE SCHEMA {name}")
    try:
        with (
            SQLAlchemyTokenStore(server_url, schema=name) as store,
            SQLAlchemyTokenStore(server_url) as other,
        ):
            store.save_token(login("alice"))
            assert stored(other) == []
            assert len(stored(store)) == 1
        migrations.check(database, TokenSchema(namespace=name))
        migrations.downgrade(database, TokenSchema(namespace=name), "base", confirmed=True)
    finally:
        execute(
            database,
            f"DROP TABLE {name}.oauthtoken_version",
            f"DROP SCHEMA {name}",
        )
        database.close()


def test_an_attached_sqlite_file_is_a_schema(tmp_path, sqlite_url):
    from sqlalchemy import create_engine, event

    engine = create_engine(sqlite_url)

    @event.listens_for(engine, "connect")
    def attach(connection, _record):
        connection.execute("ATTACH DATABASE ? AS codec", (str(tmp_path / "codec.db"),))

    store = SQLAlchemyTokenStore(engine, schema="codec")
    store.save_token(login("alice"))
    assert len(stored(store)) == 1
    database = Database(engine)
    migrations.check(database, TokenSchema(namespace="codec"))
    names = read(database, lambda connection: inspect(connection).get_table_names(schema="codec"))
    assert set(names) == {
        "oauthtoken",
        "oauthtoken_audit",
        "oauthtoken_key",
        "oauthtoken_lease",
        "oauthtoken_version",
    }
    assert tables(database) == set()
    engine.dispose()


def alembic(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_alembic_command_works_in_a_checkout(tmp_path):
    url = f"sqlite:///{tmp_path}/100%25 mine%.db"
    assert alembic("upgrade", "head", ZOHO_TOKENSTORE_URL=url).returncode == 0
    path = Path(make_url(url).database)  # SQLAlchemy 2.1 decodes %25, 2.0 does not
    assert path.stat().st_mode & 0o777 == 0o600
    assert alembic("-x", f"url={url}", "current").stdout.strip() == f"{HEAD} (head)"
    assert alembic("-x", f"url={url}", "check").returncode == 0
    assert alembic("-x", f"url={url}", "downgrade", "base").returncode == 0
    ours = alembic("-x", f"url={url}", "-x", "table=mine", "upgrade", "head")
    assert ours.returncode == 0, ours.stderr
    other = Database(url)
    assert tables(other) == {
        "oauthtoken_version",
        "mine",
        "mine_audit",
        "mine_key",
        "mine_lease",
        "mine_version",
    }
    other.close()


def test_the_alembic_command_writes_sql_without_a_database():
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
    result = alembic("-x", f"url={url}", "upgrade", "head", "--sql")
    assert "CREATE TABLE oauthtoken (" in result.stdout, result.stderr


def test_the_alembic_command_says_what_is_missing():
    result = alembic("upgrade", "head", ZOHO_TOKENSTORE_URL="")
    assert result.returncode == 1
    assert "ZOHO_TOKENSTORE_URL" in result.stderr
