"""The house's rules about itself: layers, who may import what, who prints, what a repr shows."""

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
from zoho_tokenstore import OAuthTokenRow, SQLAlchemyTokenStore, errors
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.testing import LocalZoho

PACKAGE = Path(zoho_tokenstore.__file__).parent
LAYERS = (
    "errors",
    "token",
    "matching",
    "digests",
    "keyring",
    "encryption",
    "codec",
    "events",
    "policy",
    "lease",
    "flights",
    "claims",
    "changes",
    "models",
    "clock",
    "skew",
    "audit",
    "retention",
    "statements",
    "backends",
    "urls",
    "sqlite",
    "postgresql",
    "tls",
    "faults",
    "retry",
    "sessions",
    "engines",
    "database",
    "keys",
    "batches",
    "repository",
    "scan",
    "rotation",
    "leases",
    "removal",
    "refresh",
    "logins",
    "revocation",
    "schema",
    "health",
    "migrate",
    "transfer",
    "sdk",
    "config",
    "store",
    "testing",
    "cli",
)
"""Each may import only those before it."""

FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return names


def calls_of(path: Path) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_layer_imports_only_those_below_it(path):
    layer = layer_of(path)
    if layer in ("__init__", "__main__"):
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "zoho_tokenstore" and len(parts) > 1 and parts[1] != "__version__":
            assert LAYERS.index(parts[1]) <= LAYERS.index(layer), f"{layer} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_sdk_imports_zoho_only_cli_prints_only_config_reads_the_environment(path):
    layer, imports, source = layer_of(path), imports_of(path), path.read_text()
    if layer != "sdk":
        assert not [name for name in imports if name.startswith(("zohocrmsdk", "zcrmsdk"))]
    if layer != "cli":
        assert not [name for name in imports if name.split(".")[0] in ("rich", "typer")]
        assert "print" not in calls_of(path)
    if layer not in ("config", "store"):
        assert "os.environ" not in source
        assert "getenv" not in source


def test_every_module_belongs_to_a_layer():
    assert {layer_of(path) for path in FILES} - {"__init__", "__main__"} == set(LAYERS)


def test_importing_the_package_imports_neither_an_sdk_nor_alembic_nor_the_command_line():
    code = (
        "import sys, zoho_tokenstore;"
        "print(*sorted({m.split('.')[0] for m in sys.modules}"
        " & {'zohocrmsdk', 'alembic', 'typer', 'rich', 'requests', 'http'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_all_errors_have_one_root_and_a_docstring_of_their_own():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, Warning if name.endswith("Warning") else TokenStoreError)
        assert kind.__doc__ != Exception.__doc__
        kind("a single message is enough, so that errors can be pickled")


def of_another_contract(module: str) -> bool:
    """Tell whether a module belongs to an SDK that is not installed."""
    contract = module.removeprefix("zoho_tokenstore.sdk.contract_")
    return len(contract) == 1 and contract.upper() != SDK.contract


def test_public_names_are_documented_and_few():
    assert set(zoho_tokenstore.__all__) == {
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
