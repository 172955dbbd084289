import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer

from servers import DRIVERS, KINDS, Servers, UnavailableError
from support import Crowd
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.testing import ListTokenStore, LocalZoho

DATABASES = ("sqlite", *KINDS)
STORES = ("list", "memory", *DATABASES, *DRIVERS)
MISSING = "backend not tested"

required = {name.strip() for name in os.environ.get("REQUIRE_BACKENDS", "").split(",")} - {""}
missing: dict[str, str] = {}


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def open_database(servers: Servers, sqlite_url: str) -> Iterator[Callable[[str], str]]:
    """Return the URL of an empty database of a kind; skip where the kind cannot be had."""
    with ExitStack() as stack:

        def open_database(kind: str) -> str:
            if kind == "sqlite":
                return sqlite_url
            server, _, driver = kind.partition("+")
            try:
                url = stack.enter_context(servers.get(server).database())
            except UnavailableError as error:
                pytest.skip(f"{MISSING}: {kind}: {error}")
            return with_driver(url, driver, kind) if driver else url

        yield open_database


def with_driver(url: str, driver: str, kind: str) -> str:
    """Return the URL for another driver; skip where it is not installed."""
    changed = make_url(url).set(drivername=f"mysql+{driver}")
    try:
        changed.get_dialect().import_dbapi()
    except ImportError:
        pytest.skip(f"{MISSING}: {kind}: pip install {DRIVERS[kind]}")
    return changed.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tokens.db'}"


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, open_database: Callable[[str], str]) -> str:
    """An empty database of each kind; what is promised holds for all of them."""
    return open_database(request.param)


@pytest.fixture(params=tuple(KINDS))
def server_url(request: pytest.FixtureRequest, open_database: Callable[[str], str]) -> str:
    """An empty database of each server."""
    return open_database(request.param)


@pytest.fixture(params=STORES)
def make_store(
    request: pytest.FixtureRequest, open_database: Callable[[str], str]
) -> Iterator[Callable[..., Any]]:
    """Make an empty store of each kind; the contract holds for all of them."""
    with ExitStack() as stack:

        def make(**options: Any) -> Any:
            if request.param == "list":
                return ListTokenStore(**options)
            url = "sqlite://" if request.param == "memory" else open_database(request.param)
            return stack.enter_context(SQLAlchemyTokenStore(url, **options))

        yield make


@pytest.fixture
def store(make_store: Callable[..., Any]) -> Any:
    return make_store()


@pytest.fixture
def sql_store(sqlite_url: str) -> Iterator[SQLAlchemyTokenStore]:
    with SQLAlchemyTokenStore(sqlite_url) as store:
        yield store


@pytest.fixture
def zoho() -> Iterator[LocalZoho]:
    with LocalZoho() as zoho:
        yield zoho
    Initializer.initializer = None
    Initializer.LOCAL.init = None


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
    for kind, why in missing.items():
        verdict = "REQUIRED BUT NOT TESTED" if kind in required else "not tested"
        terminalreporter.write_line(f"{verdict}: {kind} ({why.strip()})")
