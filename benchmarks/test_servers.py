"""What the store costs on servers, beside a bare driver and the SDK's own MySQL store.

The servers are the tests' own. What cannot be had is skipped.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import Any

import psycopg
import pymysql
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL, make_url
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.db_store import DBStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from servers import Servers, UnavailableError
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.digests import digest
from zoho_tokenstore.token import FIELDS

FEW, MANY = 9, 20_000
LOADED = 20_000
SELECT = f"SELECT {', '.join(FIELDS)} FROM oauthtoken WHERE user_digest = %s"
SDK_TABLE = """
CREATE TABLE oauthtoken (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, user_name VARCHAR(255), client_id VARCHAR(255),
    client_secret VARCHAR(255), refresh_token VARCHAR(255), access_token VARCHAR(255),
    grant_token VARCHAR(255), expiry_time VARCHAR(20), redirect_url VARCHAR(255),
    api_domain VARCHAR(255))
"""
"""As the SDK's README has it (zohocrmsdk8-0 7.0.0)."""

OpenDatabase = Callable[[str], URL]
MakeStore = Callable[[str, int], SQLAlchemyTokenStore]


def _token(number: int) -> OAuthToken:
    token = OAuthToken(
        client_id="1000.CLIENT0000000000000000000000000",
        client_secret="0123456789abcdef0123456789abcdef0123456789",
        refresh_token=f"1000.{number:032x}.{number:032x}",
        access_token=f"1000.{number + 1:032x}.{number:032x}",
        user_signature=UserSignature(_user(number)),
    )
    token.set_expires_in("1767225600000")
    token.set_api_domain("https://www.zohoapis.com")
    return token


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Return the servers, started when they are first used."""
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="module")
def open_database(servers: Servers) -> Iterator[OpenDatabase]:
    """Return a function that makes an empty database on a server."""
    opened = []

    def open_database(kind: str) -> URL:
        try:
            database = servers.get(kind).database()
        except UnavailableError as error:
            pytest.skip(str(error))
        opened.append(database)
        return make_url(database.__enter__())

    yield open_database
    for database in opened:
        database.__exit__(None, None, None)


@pytest.fixture(scope="module")
def make_store(open_database: OpenDatabase) -> Iterator[MakeStore]:
    """Return a function that opens a store with so many users, the same one each time."""
    stores: dict[tuple[str, int], SQLAlchemyTokenStore] = {}

    def make(kind: str, size: int) -> SQLAlchemyTokenStore:
        if (kind, size) not in stores:
            stores[kind, size] = store = SQLAlchemyTokenStore(open_database(kind))
            store.save_tokens(_token(number) for number in range(size))
        return stores[kind, size]

    yield make
    for store in stores.values():
        store.close()


@pytest.fixture(scope="module")
def make_dbstore(open_database: OpenDatabase) -> Callable[[int], DBStore]:
    """Return a function that opens the SDK's own store with so many users."""

    def make(size: int) -> DBStore:
        url = open_database("mariadb")
        with closing(_pymysql(url)) as connection, connection.cursor() as cursor:
            cursor.execute(SDK_TABLE)
            names = ("user_name", "client_id", "client_secret", "refresh_token", "access_token")
            rows = [
                (token.get_user_signature().get_name(), *_texts(token))
                for token in map(_token, range(size))
            ]
            places = ", ".join(["%s"] * len(names))
            cursor.executemany(
                f"INSERT INTO oauthtoken ({', '.join(names)}) VALUES ({places})", rows
            )
        return DBStore(
            host=url.host,
            port_number=str(url.port),
            user_name=url.username,
            password="",
            database_name=url.database,
        )

    return make


def _texts(token: OAuthToken) -> tuple[str, ...]:
    return (
        token.get_client_id(),
        token.get_client_secret(),
        token.get_refresh_token(),
        token.get_access_token(),
    )


def _pymysql(url: URL) -> "pymysql.Connection[Any]":
    return pymysql.connect(
        host=url.host or "",
        port=url.port or 0,
        user=url.username,
        database=url.database,
        charset="utf8mb4",
        autocommit=True,
    )


def _user(number: int) -> str:
    return f"user{number}@example.com:60001234567"


def _find(store: Any, size: int) -> Callable[[], Any]:
    """Return a lookup of the user in the middle: the SDK's store reads the table up to there."""
    user = _user(size // 2)
    return lambda: store.find_token(OAuthToken(user_signature=UserSignature(user)))


def _refresh(store: Any, size: int) -> Callable[[], None]:
    """Return what saves a new access token each time, as the SDK does after a refresh."""
    token = _find(store, size)()
    numbers = count()

    def save() -> None:
        token.set_access_token(f"1000.{next(numbers):032x}")
        store.save_token(token)

    return save


@pytest.mark.benchmark(group="find on postgresql")
class TestPostgreSQL:
    """One lookup, one round trip."""

    def test_bare_psycopg(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """One open connection in autocommit, a statement that is prepared."""
        url = make_store("postgresql", FEW)._database.url  # noqa: SLF001
        with psycopg.connect(
            host=url.host,
            port=url.port,
            user=url.username,
            dbname=url.database,
            autocommit=True,
        ) as connection:
            key = digest("user_name", _user(FEW // 2))
            row = benchmark(lambda: connection.execute(SELECT, (key,)).fetchone())
        assert row[1] == _user(FEW // 2)

    def test_find_token(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """The store, from the SDK's token to the SDK's token."""
        assert benchmark(_find(make_store("postgresql", FEW), FEW)).get_refresh_token()


@pytest.mark.benchmark(group="find on mariadb")
class TestMariaDB:
    """One lookup, one round trip."""

    def test_bare_pymysql(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """One open connection in autocommit."""
        key = digest("user_name", _user(FEW // 2))
        with closing(_pymysql(make_store("mariadb", FEW)._database.url)) as connection:  # noqa: SLF001

            def find() -> Any:
                with connection.cursor() as cursor:
                    cursor.execute(SELECT, (key,))
                    return cursor.fetchone()

            assert benchmark(find)[1] == _user(FEW // 2)

    def test_find_token(self, benchmark: BenchmarkFixture, make_store: MakeStore) -> None:
        """The store, from the SDK's token to the SDK's token."""
        assert benchmark(_find(make_store("mariadb", FEW), FEW)).get_refresh_token()


@pytest.mark.parametrize("size", [FEW, MANY])
class TestBesideTheSDKsStore:
    """The same calls on the same server, with few users and with many."""

    @pytest.mark.benchmark(group="find_token")
    def test_find(self, benchmark: BenchmarkFixture, make_store: MakeStore, size: int) -> None:
        """Ours."""
        assert benchmark(_find(make_store("mariadb", size), size)).get_refresh_token()

    @pytest.mark.benchmark(group="find_token")
    def test_find_dbstore(
        self, benchmark: BenchmarkFixture, make_dbstore: Callable[[int], DBStore], size: int
    ) -> None:
        """The SDK's."""
        assert benchmark(_find(make_dbstore(size), size)).get_refresh_token()

    @pytest.mark.benchmark(group="save_token")
    def test_save(self, benchmark: BenchmarkFixture, make_store: MakeStore, size: int) -> None:
        """Ours."""
        benchmark(_refresh(make_store("mariadb", size), size))

    @pytest.mark.benchmark(group="save_token")
    def test_save_dbstore(
        self, benchmark: BenchmarkFixture, make_dbstore: Callable[[int], DBStore], size: int
    ) -> None:
        """The SDK's."""
        benchmark(_refresh(make_dbstore(size), size))


@pytest.mark.benchmark(group="load")
def test_load_bare(benchmark: BenchmarkFixture, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Insert the same rows into the same table with bare sqlite3: all in one executemany."""
    path = tmp_path_factory.mktemp("load") / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
        store.save_tokens(_token(number) for number in range(LOADED))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM oauthtoken ORDER BY rowid").fetchall()
        places = ", ".join("?" * len(rows[0]))

        def empty() -> None:
            connection.execute("DELETE FROM oauthtoken")
            connection.commit()

        def load() -> None:
            connection.executemany(f"INSERT INTO oauthtoken VALUES ({places})", rows)
            connection.commit()

        benchmark.pedantic(load, setup=empty, rounds=3)  # type: ignore[no-untyped-call]
    benchmark.extra_info["rows"] = LOADED


@pytest.mark.benchmark(group="load")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_load(
    benchmark: BenchmarkFixture,
    open_database: OpenDatabase,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
) -> None:
    """Save many new tokens with save_tokens."""
    tokens = [_token(number) for number in range(LOADED)]

    def empty_store() -> tuple[tuple[SQLAlchemyTokenStore], dict[str, Any]]:
        path = tmp_path_factory.mktemp("load") / "tokens.db"
        url = f"sqlite:///{path}" if kind == "sqlite" else open_database(kind)
        store = SQLAlchemyTokenStore(url)
        store.get_tokens()
        for token in tokens:
            token.set_id(None)
        return (store,), {}

    def load(store: SQLAlchemyTokenStore) -> None:
        store.save_tokens(tokens)
        store.close()

    benchmark.pedantic(load, setup=empty_store, rounds=3)  # type: ignore[no-untyped-call]
    benchmark.extra_info["rows"] = LOADED
