"""What a lookup costs, beside what it is made of, and with how many tokens there are.

All of it runs in one process, one after the other, on the same files: read the ratios.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import Engine, Select, create_engine, insert, select
from sqlalchemy.orm import Session
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore import Keyring, OAuthTokenRow, SQLAlchemyTokenStore
from zoho_tokenstore.digests import digest
from zoho_tokenstore.token import FIELDS, TokenRecord

MakeStore = Callable[..., SQLAlchemyTokenStore]
Core = tuple[Engine, Select[Any]]
SIZES = (10, 1_000, 100_000, 1_000_000)
FEW = 1_000
BATCH = 10_000
USER = "user7@example.com:60001234567"
DIGEST = digest("user_name", USER)


def _row(number: int) -> TokenRecord:
    return TokenRecord(
        id=f"{number:032x}",
        user_name=f"user{number}@example.com:60001234567",
        client_id="1000.CLIENT0000000000000000000000000",
        client_secret="0123456789abcdef0123456789abcdef0123456789",
        refresh_token=f"1000.{number:032x}.{number:032x}",
        access_token=f"1000.{number + 1:032x}.{number:032x}",
        expiry=4102444800000,  # in the year 2100
        api_domain="https://www.zohoapis.com",
    )


@pytest.fixture(scope="session")
def make_store(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MakeStore]:
    """Return a function that opens a store with so many users."""
    stores: dict[tuple[int, tuple[str, ...]], SQLAlchemyTokenStore] = {}

    def make(size: int, **options: Any) -> SQLAlchemyTokenStore:
        kind = size, tuple(options)
        if kind not in stores:
            path = tmp_path_factory.mktemp(f"rows{size}") / "tokens.db"
            stores[kind] = store = SQLAlchemyTokenStore(f"sqlite:///{path}", **options)
            store.get_tokens()
            for start in range(0, size, BATCH):
                _fill(store, range(start, min(start + BATCH, size)))
            os.sync()  # or the kernel writes a gigabyte behind the first measurements
        return stores[kind]

    yield make
    for store in stores.values():
        store.close()


def _fill(store: SQLAlchemyTokenStore, numbers: range) -> None:
    now = datetime.now(UTC)
    times = {"created_at": now, "updated_at": now}
    vault = store._tokens.vault  # noqa: SLF001 - a benchmark fills it directly
    rows = [vault.values(row, vault.digest) | times for row in map(_row, numbers)]
    statement = insert(store._schema.table)  # noqa: SLF001 - a benchmark fills it directly
    store._database.write(lambda session: session.execute(statement, rows))  # noqa: SLF001


@pytest.mark.benchmark(group="find")
class TestFind:
    """A lookup by user name, and the same select by other means."""

    @pytest.fixture
    def path(self, make_store: MakeStore) -> str:
        """Return the file of a store with few rows."""
        return str(make_store(FEW)._database.url.database)  # noqa: SLF001

    def test_bare_sqlite3(self, benchmark: BenchmarkFixture, path: str) -> None:
        """One open connection, one statement that SQLite keeps prepared."""
        statement = f"SELECT {', '.join(FIELDS)} FROM oauthtoken WHERE user_digest = ?"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            row = benchmark(lambda: connection.execute(statement, (DIGEST,)).fetchone())
        assert row[1] == USER

    @pytest.fixture
    def core(self, path: str) -> Iterator[Core]:
        """Return a plain engine in autocommit, and the select."""
        engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
        columns = [OAuthTokenRow.__table__.c[name] for name in FIELDS]
        yield engine, select(*columns).where(OAuthTokenRow.__table__.c.user_digest == DIGEST)
        engine.dispose()

    def test_sqlalchemy_core(self, benchmark: BenchmarkFixture, core: Core) -> None:
        """A pooled connection for each call."""
        engine, statement = core

        def find() -> Any:
            with engine.connect() as connection:
                return connection.execute(statement).first()

        assert benchmark(find).user_name == USER

    def test_session_per_call(self, benchmark: BenchmarkFixture, core: Core) -> None:
        """A session for each call, columns only."""
        engine, statement = core

        def find() -> Any:
            with Session(engine) as session:
                return session.execute(statement).first()

        assert benchmark(find).user_name == USER

    def test_orm_entity(self, benchmark: BenchmarkFixture, core: Core) -> None:
        """A session for each call, and an entity loaded."""
        engine, _ = core
        statement = select(OAuthTokenRow).where(OAuthTokenRow.user_digest == DIGEST)

        def find() -> Any:
            with Session(engine) as session:
                return session.execute(statement).scalar_one()

        assert benchmark(find).user_name == USER

    def test_find_token(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """The store, from the SDK's token to the SDK's token."""
        assert _find(benchmark, make_store(FEW)).get_refresh_token()

    def test_find_token_uncoordinated(
        self, benchmark: BenchmarkFixture, make_store: MakeStore
    ) -> None:
        """The store without coordinated refreshes."""
        assert _find(benchmark, make_store(FEW, refresh=None)).get_refresh_token()

    def test_find_token_encrypted(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """The store with a keyring: three values are decrypted."""
        keyring = Keyring.from_text(Keyring.generate_key())
        assert _find(benchmark, make_store(FEW, keyring=keyring)).get_refresh_token()


@pytest.mark.benchmark(group="size")
@pytest.mark.parametrize("size", SIZES)
def test_find_token_at(benchmark: BenchmarkFixture, make_store: MakeStore, size: int) -> None:
    """The same lookup, whatever else is stored."""
    assert _find(benchmark, make_store(size)).get_refresh_token()


@pytest.mark.benchmark(group="other")
class TestOther:
    """The other operations, on few rows."""

    def test_find_token_by_id(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """A lookup by id, which builds a new token."""
        assert benchmark(make_store(FEW).find_token_by_id, f"{7:032x}").get_refresh_token()

    def test_find_token_miss(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """A lookup that finds nothing."""
        token = OAuthToken(user_signature=UserSignature("nobody"))
        assert benchmark(make_store(FEW).find_token, token) is None

    def test_save_token(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """A refreshed access token; the commit waits for the disk."""
        token = OAuthToken(access_token="refreshed", user_signature=UserSignature(USER))
        benchmark(make_store(FEW).save_token, token)


def _find(benchmark: BenchmarkFixture, store: SQLAlchemyTokenStore) -> Any:
    signature = UserSignature(USER)
    return benchmark(lambda: store.find_token(OAuthToken(user_signature=signature)))
