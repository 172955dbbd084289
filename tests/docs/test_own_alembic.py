"""The page about an application's own Alembic, followed in a real environment."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from pytest_examples import find_examples

from support import login, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import HEAD, TokenSchema

PAGE = Path(__file__).parents[2] / "docs/how-to/own-alembic.md"
ENV, REVISION, COMPARED = [each.source for each in find_examples(PAGE) if "py" in each.prefix]
TEMPLATE = """revision, down_revision = ${repr(up_revision)}, ${repr(down_revision)}
def upgrade():
    ${upgrades}
"""


@pytest.fixture
def config(tmp_path, url):
    """An environment with the page's ``env.py``."""
    folder = tmp_path / "100% application"
    (folder / "versions").mkdir(parents=True)
    (folder / "script.py.mako").write_text(TEMPLATE)
    (folder / "env.py").write_text(ENV)
    config = Config()
    for name, value in {
        "script_location": str(folder),
        "path_separator": "os",
        "sqlalchemy.url": url,
    }.items():
        config.set_main_option(name, value.replace("%", "%%"))
    return config


def environment_of(config):
    return Path(config.get_main_option("script_location"))


def assert_autogenerate_finds_nothing(config):
    """Let autogenerate write a revision and run it, twice."""
    for _ in range(2):
        script = command.revision(config, autogenerate=True)
        assert "pass" in Path(script.path).read_text()
        command.upgrade(config, "head")


def test_with_the_pages_env_autogenerate_keeps_the_tables(config, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        assert_autogenerate_finds_nothing(config)
        assert len(stored(store)) == 1


def test_the_pages_revision_creates_the_tables(config, url):
    environment = environment_of(config)
    start = ENV.index("engine =")
    (environment / "env.py").write_text(ENV[:start] + COMPARED + ENV[start:])
    (environment / "versions/first.py").write_text(REVISION)
    command.upgrade(config, "head")
    database = Database(url)
    migrations.check(database, TokenSchema())
    database.close()
    with SQLAlchemyTokenStore(url, create=False) as store:
        store.save_token(login("alice"))
        assert_autogenerate_finds_nothing(config)
        assert len(stored(store)) == 1


def test_the_page_names_the_latest_revision():
    assert f'run_revisions("base", "{HEAD}")' in REVISION
