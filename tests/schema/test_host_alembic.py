"""An application's own Alembic in the database of a token store, in a real environment."""

from pathlib import Path
from textwrap import dedent

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import inspect, text

from support import execute, login, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import ForeignSchemaError, MigrationError
from zoho_tokenstore.schema import include_name_hook, migrations
from zoho_tokenstore.schema.state import HEAD, REVISIONS, TokenSchema

OURS = {"oauthtoken", *(f"oauthtoken_{it}" for it in ("audit", "key", "lease", "version"))}

ENV = """
    from alembic import context
    from sqlalchemy import Column, Integer, MetaData, Table, create_engine
    from sqlalchemy.pool import NullPool
    from zoho_tokenstore import OAuthTokenRow
    from zoho_tokenstore.schema import include_name_hook

    own = MetaData()
    Table("invoices", own, Column("id", Integer, primary_key=True))
    target_metadata = {metadata}
    names = dict(table={table!r}, schema={schema!r})

    def only_its_schema(name, kind, parents):
        return kind != "schema" or name in (None, {schema!r})

    options = dict(
        target_metadata=target_metadata,
        include_name=include_name_hook(target_metadata, include_name=only_its_schema, **names),
        include_schemas=bool({schema!r}),
    )
    if context.is_offline_mode():
        context.configure(url=context.config.get_main_option("sqlalchemy.url"), **options)
        with context.begin_transaction():
            context.run_migrations()
    else:
        engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
        with engine.connect() as connection:
            context.configure(connection=connection, **options)
            with context.begin_transaction():
                context.run_migrations()
"""

REVISION = """
    from alembic import op
    import sqlalchemy as sa
    from zoho_tokenstore.schema import run_revisions

    revision, down_revision = {revision!r}, {before!r}

    def upgrade():
        run_revisions({start!r}, {target!r}, **{options!r})

    def downgrade():
        run_revisions({target!r}, {start!r}, **{options!r})
"""

TEMPLATE = """
    from alembic import op
    import sqlalchemy as sa
    revision, down_revision = ${repr(up_revision)}, ${repr(down_revision)}

    def upgrade():
        ${upgrades if upgrades else "pass"}

    def downgrade():
        ${downgrades if downgrades else "pass"}
"""


class Application:
    """A folder with an Alembic environment as applications have it, and its commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder / "application", url
        (self.folder / "versions").mkdir(parents=True)
        (self.folder / "script.py.mako").write_text(dedent(TEMPLATE))
        self.configure()
        self.config = Config()
        self.config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        self.config.set_main_option("path_separator", "os")
        self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

    def configure(self, metadata="own", table="oauthtoken", schema=None):
        env = dedent(ENV).format(metadata=metadata, table=table, schema=schema)
        (self.folder / "env.py").write_text(env)

    def add_revision(self, start, target, before=None, **options):
        name = f"app_{target}"
        source = REVISION.format(
            revision=name, before=before, start=start, target=target, options=options
        )
        (self.folder / f"versions/{name}.py").write_text(dedent(source))
        return name

    def upgrade(self, revision="head"):
        command.upgrade(self.config, revision)

    def downgrade(self, revision="base"):
        command.downgrade(self.config, revision)

    def autogenerate(self):
        """Let autogenerate write a revision and run it; return its text."""
        path = command.revision(self.config, message="found", autogenerate=True).path
        self.upgrade()
        return Path(path).read_text()


@pytest.fixture
def application(tmp_path, url):
    return Application(tmp_path, url)


def tables(database):
    return set(database.read(lambda session: inspect(session.connection()).get_table_names())) - {
        "alembic_version"
    }


def revision_of(database):
    return database.read(lambda session: TokenSchema().revision(session.connection()))


def assert_nothing_to_do(application):
    for _ in range(2):
        assert "op." not in application.autogenerate()


def test_autogenerate_leaves_our_tables_alone(application, database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        assert "create_table('invoices'" in application.autogenerate()
        assert_nothing_to_do(application)
        assert tables(database) == OURS | {"invoices"}
        assert len(stored(store)) == 1
    migrations.check(database, TokenSchema())


def test_autogenerate_leaves_the_tables_of_two_stores_alone(application, database):
    for table in ("one", "two"):
        migrations.upgrade(database, TokenSchema(table))
    application.configure()
    env = application.folder / "env.py"
    nested = "include_name_hook(table='one', include_name=include_name_hook(table='two'))"
    env.write_text(
        env.read_text().replace(
            "include_name_hook(target_metadata, include_name=only_its_schema, **names)", nested
        )
    )
    application.autogenerate()
    assert_nothing_to_do(application)
    for table in ("one", "two"):
        migrations.check(database, TokenSchema(table))


def test_the_applications_own_history_creates_what_the_store_uses(application, database, url):
    application.configure("[own, OAuthTokenRow.metadata]")
    application.add_revision("base", HEAD)
    application.upgrade()
    migrations.check(database, TokenSchema())
    with SQLAlchemyTokenStore(url, create=False) as store:
        store.save_token(login("alice"))
        assert "create_table('invoices'" in application.autogenerate()
        assert_nothing_to_do(application)
        assert len(stored(store)) == 1


def test_autogenerate_finds_what_the_own_history_lacks(application):
    application.configure("[own, OAuthTokenRow.metadata]")
    application.add_revision("base", REVISIONS[-2])
    application.upgrade()
    with pytest.raises(CommandError, match="superseded_digest"):
        command.check(application.config)


def test_each_revision_can_come_with_one_of_the_application_and_go_with_it(application, database):
    before, start = None, "base"
    for revision in REVISIONS:
        before = application.add_revision(start, revision, before)
        start = revision
    for revision in REVISIONS:
        application.upgrade(f"app_{revision}")
        assert revision_of(database) == revision
    migrations.check(database, TokenSchema())
    for revision in reversed(REVISIONS[:-1]):
        application.downgrade("-1")
        assert revision_of(database) == revision
    application.downgrade()
    assert tables(database) == set()


def test_tables_that_exist_already_are_kept(application, database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        application.add_revision("base", HEAD)
        application.upgrade()
        assert len(stored(store)) == 1
    migrations.check(database, TokenSchema())


def test_tables_of_an_earlier_revision_are_upgraded(application, database):
    migrations.upgrade(database, TokenSchema(), REVISIONS[1])
    application.add_revision("base", HEAD)
    application.upgrade()
    migrations.check(database, TokenSchema())


def test_a_downgrade_that_loses_tokens_needs_to_be_confirmed(application, database, url):
    application.add_revision("base", HEAD)
    application.upgrade()
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        with pytest.raises(MigrationError, match="holds tokens that a downgrade may delete"):
            application.downgrade()
        assert len(stored(store)) == 1
    application.add_revision("base", HEAD, confirmed=True)
    application.downgrade()
    assert tables(database) == set()


def test_another_table_gets_its_own_history(application, database):
    application.add_revision("base", HEAD, table="mine")
    application.configure(table="mine")
    application.upgrade()
    application.autogenerate()
    assert_nothing_to_do(application)
    migrations.check(database, TokenSchema("mine"))


def test_another_applications_table_is_refused(application, database):
    database.migrate(lambda c: c.exec_driver_sql("CREATE TABLE oauthtoken (token TEXT)"))
    application.add_revision("base", HEAD)
    with pytest.raises(ForeignSchemaError):
        application.upgrade()
    assert tables(database) == {"oauthtoken"}


def test_a_revision_has_to_be_named(application):
    application.add_revision("base", "head")
    with pytest.raises(MigrationError, match="unknown revision 'head': pass one of base, 0001"):
        application.upgrade()


def test_the_sql_of_the_own_history_creates_what_the_store_uses(application, database, url, capsys):
    application.add_revision("base", HEAD)
    command.upgrade(application.config, "head", sql=True)
    script = capsys.readouterr().out
    for statement in script.split(";"):
        words = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        if words.strip() not in ("", "BEGIN", "COMMIT"):
            execute(url, text(words))
    migrations.check(database, TokenSchema())
    command.downgrade(application.config, f"app_{HEAD}:base", sql=True)
    assert "DROP TABLE oauthtoken_version" in capsys.readouterr().out


def test_a_schema_of_its_own_is_left_alone(server_url, tmp_path):
    database, names = Database(server_url), TokenSchema(namespace="vault_of_tokens")
    database.migrate(lambda c: c.exec_driver_sql("CREATE SCHEMA vault_of_tokens"))
    application = Application(tmp_path, server_url)
    application.configure(schema="vault_of_tokens")
    try:
        application.add_revision("base", HEAD, schema="vault_of_tokens")
        application.upgrade()
        application.autogenerate()
        assert_nothing_to_do(application)
        migrations.check(database, names)
    finally:
        migrations.downgrade(database, names, "base", confirmed=True)
        database.migrate(
            lambda c: c.exec_driver_sql("DROP TABLE vault_of_tokens.oauthtoken_version")
        )
        database.migrate(lambda c: c.exec_driver_sql("DROP SCHEMA vault_of_tokens"))
        database.close()


def test_the_applications_hook_is_asked_about_all_other_names():
    asked = []
    hook = include_name_hook(include_name=lambda *given: asked.append(given) or False)
    parents = {"schema_name": None}
    assert not hook("oauthtoken_lease", "table", parents)
    assert asked == []
    assert not hook("invoices", "table", parents)
    assert not hook("oauthtoken", "table", {"schema_name": "another"})
    assert [name for name, *_ in asked] == ["invoices", "oauthtoken"]
    assert include_name_hook()("invoices", "table", parents)
