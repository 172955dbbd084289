"""Servers that refuse a connection, a statement or a wait: the error says why and what to do."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, make_url, text

from servers import DRIVERS, KINDS
from support import login, make_token, sdk_error, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database import database as database_module
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    MissingPrivilegeError,
    ReadOnlyDatabaseError,
)

PASSWORD = "open sesame"
REFUSALS = {
    "the user is unknown": ({"username": "unknown", "password": PASSWORD}, "unknown"),
    "the database is unknown": ({"database": "unknown"}, "unknown"),
    "the port is closed": ({"port": 1}, "127.0.0.1"),
    "the host is unknown": ({"host": "unknown.invalid"}, "unknown.invalid"),
}
NO_TLS = {"postgresql": {"sslmode": "require"}, "mysql": {"ssl_ca": "/etc/ssl/cert.pem"}}


@pytest.fixture(params=[*KINDS, *DRIVERS])
def driver_url(request, open_database):
    """An empty database, by each driver."""
    return open_database(request.param)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_connection_that_is_refused_is_explained(driver_url, refusal):
    changes, words = REFUSALS[refusal]
    url = make_url(driver_url)
    with SQLAlchemyTokenStore(url.set(**changes)) as store:
        with sdk_error(DatabaseUnavailableError, "cannot be reached: ") as caught:
            store.find_token(make_token("alice"))
        message = str(caught.value.cause)
    reason = message.partition("cannot be reached: ")[2].partition("; check the host")[0]
    assert words in reason
    assert "\n" not in message
    assert PASSWORD not in message


def test_a_wrong_password_is_explained_and_not_shown(driver_url, server_of_url):
    url = make_url(driver_url)
    if url.get_backend_name() == "postgresql":
        pytest.skip("the tests' PostgreSQL trusts everybody")
    user = user_of(url)
    server_of_url(url).execute(f"CREATE USER {user} IDENTIFIED BY 'right'")
    try:
        wrong = url.set(username=user, password=PASSWORD)
        with SQLAlchemyTokenStore(wrong) as store:
            with sdk_error(DatabaseUnavailableError, f"Access denied for user '{user}'") as caught:
                store.find_token(make_token("alice"))
            assert PASSWORD not in str(caught.value)
    finally:
        server_of_url(url).execute(f"DROP USER {user}")


def user_of(url):
    """Return the name of a user of this test's own."""
    return f"user_{url.database[-8:]}"


@pytest.fixture
def server_of_url(servers):
    """Return the server of a URL."""

    def server_of_url(url):
        for kind in KINDS:
            server = servers.get(kind)
            if server.url.port == url.port:
                return server
        raise LookupError(url.port)

    return server_of_url


def test_a_parameter_that_the_driver_does_not_know_is_named(driver_url):
    url = make_url(driver_url).update_query_dict({"colour": "blue"})
    with (
        SQLAlchemyTokenStore(url) as store,
        sdk_error(ConfigurationError, "does not know the parameter 'colour'"),
    ):
        store.find_token(make_token("alice"))


@pytest.fixture
def unprivileged(driver_url):
    """A user without privileges: its URL, its name in a `GRANT`, and the administrator's engine."""
    url = make_url(driver_url)
    is_postgresql = url.get_backend_name() == "postgresql"
    admin = create_engine(
        url if is_postgresql else url.set(drivername="mysql+pymysql"), isolation_level="AUTOCOMMIT"
    )
    user = user_of(url)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE USER {user}"))
        connection.execute(text(f"CREATE SCHEMA crm_{user}"))
    yield url.set(username=user), user if is_postgresql else f"'{user}'@'%'", admin
    with admin.connect() as connection:
        if is_postgresql:
            connection.execute(text(f"DROP OWNED BY {user}"))
        connection.execute(text(f"DROP USER {user}"))
        connection.execute(text(f"DROP SCHEMA crm_{user} {'CASCADE' if is_postgresql else ''}"))
    admin.dispose()


@pytest.mark.parametrize("schema", [None, "crm"])
@pytest.mark.parametrize("privilege", ["INSERT", "SELECT"])
def test_a_missing_privilege_is_named_with_the_statement_that_grants_it(
    unprivileged, driver_url, privilege, schema
):
    url, user, admin = unprivileged
    namespace = schema and f"crm_{url.username}"
    with SQLAlchemyTokenStore(driver_url, schema=namespace) as store:
        store.get_tokens()
    others = "SELECT" if privilege == "INSERT" else "INSERT"
    place = f"{namespace}." if namespace else ""
    with admin.connect() as connection:
        if url.get_backend_name() == "postgresql":
            connection.execute(text(f"GRANT USAGE ON SCHEMA {namespace or 'public'} TO {user}"))
        else:
            connection.execute(text(f"GRANT EVENT ON {url.database}.* TO {user}"))
        for part in ("", "_audit", "_key", "_lease", "_version"):
            connection.execute(text(f"GRANT {others} ON {place}oauthtoken{part} TO {user}"))
    named = []
    with SQLAlchemyTokenStore(url, schema=namespace, create=False) as store:
        for _ in range(2):
            with sdk_error(MissingPrivilegeError, "denied") as caught:
                store.save_token(login("alice"))
            message = str(caught.value.cause)
            named.append(re.search(r"run (GRANT .*?)(, with the host|$)", message)[1])
            with admin.connect() as connection:
                connection.execute(text(named[-1]))
    assert privilege in named[0]
    assert named[0] != named[1], "the first one has helped"


@pytest.fixture
def postgresql_url(open_database):
    return make_url(open_database("postgresql"))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_database_in_another_encoding_is_named(postgresql_url, encoding, driver):
    pytest.importorskip(driver)
    admin = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    name = f"{postgresql_url.database}_{encoding.lower()}"
    with admin.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
        )
    try:
        url = postgresql_url.set(database=name, drivername=f"postgresql+{driver}")
        with (
            SQLAlchemyTokenStore(url) as store,
            sdk_error(ConfigurationError, f"is encoded in {encoding}, which"),
        ):
            store.get_tokens()
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        admin.dispose()


def with_option(url, option):
    return url.update_query_dict({"options": f"-c {option}"})


class Lock:
    """A lock on the token table, held by another connection."""

    def __init__(self, url):
        self.engine = create_engine(url)
        self.connection = self.engine.connect()

    def take(self, statement):
        self.connection.exec_driver_sql(statement)

    def release(self):
        self.connection.rollback()

    def close(self):
        self.connection.close()
        self.engine.dispose()


@pytest.fixture
def lock(postgresql_url):
    lock = Lock(postgresql_url)
    yield lock
    lock.close()


def test_a_save_outlasts_a_lock_that_lasts_longer_than_lock_timeout(postgresql_url, lock):
    with (
        SQLAlchemyTokenStore(with_option(postgresql_url, "lock_timeout=50")) as store,
        ThreadPoolExecutor(1) as other,
    ):
        store.get_tokens()
        lock.take("LOCK TABLE oauthtoken")
        saving = other.submit(store.save_token, login("alice"))
        time.sleep(0.3)  # several times lock_timeout
        lock.release()
        saving.result()
        assert len(stored(store)) == 1


def test_a_save_outlasts_a_lock_that_lasts_longer_than_the_lock_wait_timeout(driver_url):
    url = make_url(driver_url)
    if url.get_backend_name() == "postgresql":
        pytest.skip("PostgreSQL's limit is lock_timeout")
    short = {"init_command": "SET SESSION innodb_lock_wait_timeout = 1"}
    lock = Lock(url)
    with (
        SQLAlchemyTokenStore(url.update_query_dict(short)) as store,
        ThreadPoolExecutor(1) as other,
    ):
        store.save_token(login("alice"))
        lock.take("UPDATE oauthtoken SET expiry = 1")
        saving = other.submit(store.save_token, login("alice", access_token="new"))
        time.sleep(1.5)  # longer than the wait
        lock.release()
        saving.result()
        assert store.find_token(make_token("alice")).get_access_token() == "new"
    lock.close()


def test_a_statement_that_the_server_cancels_is_named(postgresql_url, lock):
    with SQLAlchemyTokenStore(with_option(postgresql_url, "statement_timeout=200")) as store:
        store.get_tokens()
        lock.take("LOCK TABLE oauthtoken")
        with sdk_error(DatabaseBusyError, "statement_timeout"):
            store.save_token(login("alice"))
        lock.release()
        store.save_token(login("alice"))


def test_a_database_that_is_read_only_for_good_is_waited_for_once(postgresql_url, monkeypatch):
    with SQLAlchemyTokenStore(postgresql_url) as store:
        store.get_tokens()
    pauses = []
    monkeypatch.setattr(database_module, "retry_pauses", lambda _: iter([0.0] * 3))
    monkeypatch.setattr(database_module.time, "sleep", pauses.append)
    url = with_option(postgresql_url, "default_transaction_read_only=on")
    with SQLAlchemyTokenStore(url) as store:
        for is_first in (True, False, False):
            pauses.clear()
            with sdk_error(ReadOnlyDatabaseError, "is read-only"):
                store.save_token(login("alice"))
            assert bool(pauses) is is_first
        assert store.find_token(make_token("alice")) is None


def test_a_session_whose_transaction_broke_is_used_again(postgresql_url):
    with SQLAlchemyTokenStore(postgresql_url) as store:
        store.save_token(login("alice"))
        broken = []

        def work(session):
            session.execute(text("SELECT 1"))
            if not broken:
                broken.append(session)
                session.connection().invalidate()
                session.execute(text("SELECT 1"))  # PendingRollbackError
            return session.execute(text("SELECT 2")).scalar()

        assert store._database.read(work) == 2
