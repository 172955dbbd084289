from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer

from support import Crowd
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.testing import ListTokenStore, LocalZoho

BACKENDS = ("sqlite", "memory", "list")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tokens.db'}"


@pytest.fixture(params=BACKENDS)
def make_store(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[Callable[..., Any]]:
    """Make an empty store of each kind; the contract holds for all of them."""
    with ExitStack() as stack:

        def make(**options: Any) -> Any:
            if request.param == "list":
                return ListTokenStore(**options)
            url = sqlite_url if request.param == "sqlite" else "sqlite://"
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
