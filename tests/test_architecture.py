"""The house's rules that import-linter cannot say: who prints, what a repr shows, names."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoho_tokenstore
from sdks import SDK
from support import LOGIN, login, record
from zoho_tokenstore import OAuthTokenRow, SQLAlchemyTokenStore
from zoho_tokenstore.testing import LocalZoho

PACKAGE = Path(zoho_tokenstore.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


DATABASES = {"sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle"}


def area_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def texts_of(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def calls_of(path: Path) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints_and_only_settings_read_the_environment(path):
    area, source = area_of(path), path.read_text()
    assert area == "cli" or "print" not in calls_of(path)
    if area not in ("settings", "store"):  # the store only names it as a default
        assert "os.environ" not in source
        assert "getenv" not in source


def test_all_that_the_command_line_prints_passes_its_console():
    for path in (PACKAGE / "cli").glob("*.py"):
        source = path.read_text()
        if path.name not in ("console.py", "tables.py"):  # they make all text harmless
            assert "from rich" not in source, path.name
            assert "print" not in calls_of(path), path.name
            for way in ("typer.echo", "typer.secho", "typer.confirm", "sys.stdout", "sys.stderr"):
                assert way not in source, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_dialects_compare_the_name_of_a_database(path):
    if "dialects" in path.parts:
        return
    compared = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and not DATABASES.isdisjoint(texts_of(node))
    ]
    assert compared == []


def test_importing_the_package_imports_neither_an_sdk_nor_alembic_nor_the_command_line():
    code = (
        "import sys, zoho_tokenstore;"
        "print(*sorted({m.split('.')[0] for m in sys.modules}"
        " & {'zohocrmsdk', 'alembic', 'typer', 'rich', 'httpx'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def of_another_contract(module: str) -> bool:
    """Return whether a module belongs to an SDK that is not installed."""
    contract = module.removeprefix("zoho_tokenstore.sdk.contract_")
    return len(contract) == 1 and contract.upper() != SDK.contract


def test_public_names_are_documented_and_few():
    assert set(zoho_tokenstore.__all__) == {
        "AccessToken",
        "Keyring",
        "OAuthTokenRow",
        "RefreshPolicy",
        "SQLAlchemyTokenStore",
        "TokenPolicy",
        "TokenStoreError",
        "__version__",
    }
    for info in pkgutil.walk_packages([str(PACKAGE)], "zoho_tokenstore."):
        if info.name == "zoho_tokenstore.__main__" or of_another_contract(info.name):
            continue
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                assert inspect.getdoc(thing), f"{info.name}.{name}"


def test_no_secret_in_any_repr(sqlite_url):
    token = login("alice", grant_token="1000.grant")
    secrets = [LOGIN["client_secret"], token.get_refresh_token(), token.get_access_token()]
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(token)
        row = store._database.write(lambda session: session.query(OAuthTokenRow).one())
        shown = [repr(thing) for thing in (store, row, record(token), store._database)]
    with LocalZoho() as zoho:
        shown.append(repr(zoho))
    for text in shown:
        assert not [secret for secret in [*secrets, "1000.grant"] if secret in text], text
