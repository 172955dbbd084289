"""The wheel, built and used where nothing else is: it brings its migrations and serves tokens."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from zoho_tokenstore.schema.state import HEAD

ROOT = Path(__file__).parents[1]

SERVE = """
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
from zoho_tokenstore import SQLAlchemyTokenStore

with SQLAlchemyTokenStore.from_env(create=False) as store:
    store.save_token(OAuthToken("c", "s", refresh_token="r", user_signature=UserSignature("u")))
    print(store.find_token(OAuthToken(user_signature=UserSignature("u"))).get_refresh_token())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_migrations_the_licence_and_the_type_marker(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "zoho_tokenstore/py.typed",
        "zoho_tokenstore/migrations/env.py",
        "zoho_tokenstore/migrations/script.py.mako",
        "zoho_tokenstore/migrations/versions/0001_token_table.py",
        "zoho_tokenstore/migrations/versions/0002_lease_table.py",
    } <= names
    assert any(name.endswith("LICENSE") for name in names)
    assert not any(name.startswith(("tests", "docs", "migrations")) for name in names)


def test_the_source_distribution_holds_the_tests_and_the_documentation(tmp_path):
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path]
    subprocess.run([*command, ROOT], check=True, capture_output=True)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "Makefile",
        "docs/conf.py",
        "docs/index.md",
        "docs/explanation/performance/size.svg",
        "migrations/env.py",
        "tests/conftest.py",
        "zoho_tokenstore/py.typed",
    } <= names
    assert not any("_build" in name or "__pycache__" in name for name in names)


def test_the_wheel_alone_migrates_and_serves(wheel, tmp_path):
    # The environment sees the dependencies of this one, but not this checkout.
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = next((home / "lib").glob("python*")) / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    dependencies = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {
        "ZOHO_TOKENSTORE_URL": f"sqlite:///{tmp_path / 'tokens.db'}"
    }

    def run(*arguments: str) -> str:
        return subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=environ,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    where = run(
        "-c", "from zoho_tokenstore.schema.migrations import migrations_path as m; print(m())"
    )
    assert where.strip() == str(site / "zoho_tokenstore" / "migrations")
    run("-m", "zoho_tokenstore", "upgrade")
    run("-m", "zoho_tokenstore", "check")
    assert run("-m", "zoho_tokenstore", "current").startswith(HEAD)
    assert "CREATE TABLE" in run("-m", "zoho_tokenstore", "upgrade", "--sql")
    assert run("-c", SERVE) == "r\n"
    run("-m", "zoho_tokenstore", "downgrade", "base", "--yes")
