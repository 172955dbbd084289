import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest
from sqlalchemy import make_url

import sdks
from commands import Done, check_done
from servers import DRIVERS, KINDS, Servers, UnavailableError
from support import KEY, Crowd, assert_nothing_is_readable, emptied
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.cli import main
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.schema.migrations import upgrade
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.testing import ListTokenStore, LocalZoho

DATABASES = ("sqlite", *KINDS)
STORES = ("list", "memory", "encrypted", *DATABASES, *DRIVERS)
if "TEST_STORES" in os.environ:
    STORES = tuple(os.environ["TEST_STORES"].split(","))
    DATABASES = tuple(name for name in DATABASES if name in STORES)
KINDS_OF = {"make_store": STORES, "url": DATABASES, "shared_url": DATABASES}
MISSING = "backend not tested"

required = {name.strip() for name in os.environ.get("REQUIRE_BACKENDS", "").split(",")} - {""}
missing: dict[str, str] = {}


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let what the tests start heed Ctrl-C, which a shell makes a run in the background ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority alone: PyMySQL loads all for every connection, in 20 ms and more."""
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    path = tmp_path_factory.mktemp("authorities") / "one.pem"
    path.write_text(first + end)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session", autouse=True)
def servers(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Servers]:
    """The servers, shared by all worker processes, so that no one ends what another still uses."""
    folder = tmp_path_factory.getbasetemp()
    alone = not hasattr(request.config, "workerinput")
    servers = Servers((folder if alone else folder.parent) / "servers")
    yield servers
    servers.stop()


@contextmanager
def database_of(servers: Servers, kind: str) -> Iterator[str]:
    """Make an empty database on a server of a kind; skip where the kind cannot be had."""
    server, _, driver = kind.partition("+")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(servers.get(server).database())
        except UnavailableError as error:
            pytest.skip(f"{MISSING}: {kind}: {error}")
        yield with_driver(url, driver, kind) if driver else url


@pytest.fixture
def open_database(servers: Servers, sqlite_url: str) -> Iterator[Callable[[str], str]]:
    """Return the URL of an empty database of a kind; skip where the kind cannot be had."""
    with ExitStack() as stack:
        yield (
            lambda kind: (
                sqlite_url if kind == "sqlite" else stack.enter_context(database_of(servers, kind))
            )
        )


@pytest.fixture(scope="session")
def shared_database(servers: Servers) -> Iterator[Callable[[str], str]]:
    """Return the URL of a server's database that tests use after one another, emptied."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def shared_database(kind: str) -> str:
            if kind not in urls:
                urls[kind] = stack.enter_context(database_of(servers, kind))
            return urls[kind]

        yield shared_database


def with_driver(url: str, driver: str, kind: str) -> str:
    """Return the URL for another driver; skip where it is not installed."""
    given = make_url(url)
    changed = given.set(drivername=f"{given.get_backend_name()}+{driver}")
    try:
        changed.get_dialect().import_dbapi()
    except ImportError:
        pytest.skip(f"{MISSING}: {kind}: pip install {DRIVERS[kind]}")
    return changed.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tokens.db'}"


@pytest.fixture(scope="session")
def upgraded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with our tables, to be copied: migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("upgraded") / "tokens.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database, TokenSchema())
    database.close()
    return path


@pytest.fixture
def upgraded_sqlite_url(upgraded_file: Path, tmp_path: Path, sqlite_url: str) -> str:
    shutil.copy(upgraded_file, tmp_path / "tokens.db")
    return sqlite_url


@pytest.fixture
def url(request: pytest.FixtureRequest, open_database: Callable[[str], str]) -> str:
    """An empty database of each kind; what is promised holds for all of them."""
    return open_database(request.param)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The same, opened."""
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def shared_url(
    request: pytest.FixtureRequest,
    shared_database: Callable[[str], str],
    upgraded_sqlite_url: str,
) -> Iterator[str]:
    """A database of each kind that tests use after one another, emptied; with our tables alone."""
    if request.param == "sqlite":
        yield upgraded_sqlite_url
        return
    with emptied(shared_database(request.param)) as url:
        yield url


@pytest.fixture(params=tuple(name for name in DATABASES if name in KINDS))
def server_url(request: pytest.FixtureRequest, open_database: Callable[[str], str]) -> str:
    """An empty database of each server."""
    return open_database(request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a store, or a database, on each kind; a module's ``STORES`` are fewer."""
    few = getattr(metafunc.module, "STORES", STORES)
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    used = set(metafunc.fixturenames)
    for fixture, kinds in KINDS_OF.items():
        if fixture == "url" and "shared_url" in used:
            continue  # the module's own, which is the shared one
        if fixture in used and not any(fixture in names for names in given):
            metafunc.parametrize(fixture, [name for name in kinds if name in few], indirect=True)


@pytest.fixture
def make_store(
    request: pytest.FixtureRequest,
    shared_database: Callable[[str], str],
    upgraded_sqlite_url: str,
) -> Iterator[Callable[..., Any]]:
    """Make an empty store of each kind; the contract holds for all of them."""
    file = upgraded_sqlite_url
    urls = {"memory": "sqlite://", "sqlite": file, "encrypted": file}
    stores: list[Any] = []
    with ExitStack() as stack:

        def make(**options: Any) -> Any:
            if request.param == "list":
                return ListTokenStore(**options)
            url = urls.get(request.param) or shared_database(request.param)
            if request.param == "encrypted":
                options = {"keyring": Keyring.from_text(KEY)} | options
            store = stack.enter_context(SQLAlchemyTokenStore(url, **options))
            if request.param not in urls:
                store.delete_tokens()
            stores.append(store)
            return store

        yield make
        if request.param == "encrypted":
            assert_nothing_is_readable(file, stores)


@pytest.fixture
def store(make_store: Callable[..., Any]) -> Any:
    return make_store()


@pytest.fixture
def sql_store(upgraded_sqlite_url: str) -> Iterator[SQLAlchemyTokenStore]:
    with SQLAlchemyTokenStore(upgraded_sqlite_url) as store:
        yield store


@pytest.fixture
def zoho() -> Iterator[LocalZoho]:
    with LocalZoho() as zoho:
        zoho.accounts.grace = 60.0  # a token of 4 s is used once before it is refreshed
        yield zoho
    sdks.forget()


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process, with a database and other settings in the environment."""
    for name in [name for name in os.environ if name.startswith("ZOHO_TOKENSTORE_")]:
        monkeypatch.delenv(name)

    def run_command(url: str | None, *arguments: object, **environ: str) -> Done:
        settings = environ if url is None else {"URL": url} | environ
        with monkeypatch.context() as patched:
            patched.setattr("sys.argv", ["zoho-tokenstore", *map(str, arguments)])
            for name, value in settings.items():
                patched.setenv(f"ZOHO_TOKENSTORE_{name}", value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        return check_done(ended.value.code, *capsys.readouterr())

    return run_command


@pytest.fixture(scope="session")
def crowd() -> Crowd:
    return Crowd()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith(MISSING):
            kind, why = reason.removeprefix(f"{MISSING}: ").split(": ", 1)
            missing[kind] = why


def pytest_sessionfinish(session: pytest.Session) -> None:
    if required & set(missing):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(
        f"contract {sdks.SDK.contract} tested with {sdks.DISTRIBUTION} {sdks.VERSION}"
    )
    for contract, packages in sdks.CONTRACTS.items():
        if contract != sdks.SDK.contract:
            terminalreporter.write_line(f"not tested: contract {contract} ({packages}): nox -s sdk")
    for kind, why in missing.items():
        verdict = "REQUIRED BUT NOT TESTED" if kind in required else "not tested"
        terminalreporter.write_line(f"{verdict}: {kind} ({why.strip()})")
