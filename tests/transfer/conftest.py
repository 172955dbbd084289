import json
import shutil

import pytest

from sources import in_order
from support import stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore


@pytest.fixture(scope="module")
def empty_table(tmp_path_factory):
    """A database that is ready, to be copied."""
    path = tmp_path_factory.mktemp("ready") / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
        assert store.get_tokens() == []
    return path


@pytest.fixture
def command(run_command, sqlite_url, empty_table):
    """Run a command on an SQLite database that has the tables."""
    shutil.copy(empty_table, sqlite_url.removeprefix("sqlite:///"))
    return lambda *arguments, keys="": run_command(sqlite_url, *arguments, KEYS=keys)


@pytest.fixture
def import_lines(command, tmp_path):
    """Import lines; return the status, the counts that are not 0, and each message."""

    def import_lines(*lines, options=(), keys="", end="\r\n"):
        path = tmp_path / "tokens.csv"
        raw = (each if isinstance(each, bytes) else each.encode() for each in lines)
        content = b"".join(each + end.encode() for each in raw)
        path.write_bytes(content)
        arguments = ("import", "filestore", path, "--json", *options)
        status, out, err = command(*arguments, keys=keys)
        assert path.read_bytes() == content
        counts = {name: n for name, n in json.loads(out or "{}").items() if n}
        return status, counts, err.splitlines()

    return import_lines


@pytest.fixture
def tokens(sqlite_url):
    """Return what is stored, by field."""

    def tokens(*without, keys=None):
        keyring = Keyring.from_text(keys) if keys else None
        with SQLAlchemyTokenStore(sqlite_url, keyring=keyring) as store:
            rows = [{n: v for n, v in row.items() if n not in without} for row in stored(store)]
        return sorted((in_order(row) for row in rows), key=repr)

    return tokens
