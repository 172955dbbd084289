"""URLs, names, environment and drivers."""

import logging
import re
import socket

import pytest
from sqlalchemy import create_engine, make_url

from support import LOGIN, login, make_token, sdk_error, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.database import faults, urls
from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.faults import translate
from zoho_tokenstore.database.urls import resolve
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnavailableError,
    MissingDriverError,
)
from zoho_tokenstore.settings import Settings


@pytest.mark.parametrize(
    "database",
    [
        "",
        "no url",
        "://",
        "nodb://host/x",
        "sqlite+nodriver:///x",
        "postgresql://h:port/d",
        5,
        None,
    ],
    ids=repr,
)
def test_a_malformed_url_is_a_configuration_error(database):
    with pytest.raises(ConfigurationError, match="invalid database URL"):
        SQLAlchemyTokenStore(database)


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("postgresql+pg8000://h/d", "install 'pg8000'"),
        ("mysql+cymysql://h/d", "install 'cymysql'"),
        ("mssql+pymssql://h/d", "install 'pymssql'"),
    ],
)
def test_a_missing_driver_is_named_with_what_installs_it(url, extra):
    with pytest.raises(MissingDriverError, match=extra) as caught:
        SQLAlchemyTokenStore(url)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://h/d",
        "postgresql+psycopg_async://h/d",
        "sqlite+aiosqlite:///tokens.db",
        "mysql+aiomysql://h/d",
        "mysql+asyncmy://h/d",
    ],
)
def test_an_asynchronous_driver_is_refused_with_the_way_out(url):
    with pytest.raises(ConfigurationError, match=r"as (postgresql|sqlite|mysql)://.*to_thread"):
        SQLAlchemyTokenStore(url)


def test_an_asynchronous_engine_is_refused_with_the_way_out():
    class AsyncEngine:  # SQLAlchemy's own needs a driver that is installed
        sync_engine = None

    with pytest.raises(ConfigurationError, match="pass a database URL"):
        SQLAlchemyTokenStore(AsyncEngine())


@pytest.mark.parametrize(
    "password",
    ["opxq@sexq", "opxq@sexq/amxq", "50%xq@hoxq", "opxq/exq@sexq@amxq"],
    ids=["at", "both", "percent", "more"],
)
def test_a_password_that_is_not_quoted_is_said_and_not_shown(password):
    with pytest.raises(ConfigurationError, match="percent-encode") as caught:
        SQLAlchemyTokenStore(f"postgresql://app:{password}@db.example.com/tokens")
    assert not [part for part in re.split("[@/%]", password) if part in str(caught.value)]


@pytest.mark.parametrize("kind", ["postgres", "postgresql+psycopg", "mysql"])
@pytest.mark.parametrize("name", urls.HINTS)
def test_a_parameter_of_another_library_gets_a_hint(kind, name):
    with pytest.raises(ConfigurationError, match=f"{name}.*: (pass|remove|write) "):
        SQLAlchemyTokenStore(f"{kind}://h/d?{name}=x")


def test_a_parameter_may_mean_something_to_a_driver_that_is_not_known():
    assert resolve("mssql+pyodbc://h/d?schema=x").query == {"schema": "x"}


def test_blanks_around_the_url_are_taken_off(tmp_path):
    environ = {
        "ZOHO_TOKENSTORE_URL": f" sqlite:///{tmp_path}/tokens.db\n",
        "ZOHO_TOKENSTORE_KEYS": f"\n{Keyring.generate_key()} \n",
        "ZOHO_TOKENSTORE_CONNECTIONS": " 2\n",
    }
    with SQLAlchemyTokenStore.from_env(environ) as store:
        store.save_token(login("alice"))
    assert (tmp_path / "tokens.db").exists()
    with SQLAlchemyTokenStore(f"\nsqlite:///{tmp_path}/other.db ") as store:
        store.get_tokens()
    assert (tmp_path / "other.db").exists()


@pytest.mark.parametrize("connections", ["0", "-1", "many", "1.5"])
def test_the_environment_has_a_whole_number_of_connections(connections):
    environ = {"ZOHO_TOKENSTORE_URL": "sqlite://", "ZOHO_TOKENSTORE_CONNECTIONS": connections}
    with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_CONNECTIONS"):
        SQLAlchemyTokenStore.from_env(environ)


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("postgres://h/d", "postgresql+psycopg"),
        ("postgresql://h/d", "postgresql+psycopg"),
        ("mysql://h/d", "mysql+pymysql"),
        ("mariadb://h/d", "mariadb+pymysql"),
        ("postgresql+pg8000://h/d", "postgresql+pg8000"),
        ("sqlite://", "sqlite"),
    ],
)
def test_a_url_without_driver_gets_one_that_is_installed(written, driver):
    assert resolve(written).drivername == driver


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_server_that_never_answers_is_given_up(driver, monkeypatch):
    monkeypatch.setattr(faults, "RETRY_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        timeouts = "connect_timeout=1&read_timeout=1"
        store = SQLAlchemyTokenStore(f"{driver}://u@127.0.0.1:{port}/d?{timeouts}")
        with sdk_error(DatabaseUnavailableError):
            store.find_token(make_token("alice"))


def test_timeouts_have_defaults_that_the_url_changes():
    def timeouts_of(text):
        url = make_url(text)
        return backend_of(url).timeouts_of(url)

    assert timeouts_of("postgresql+psycopg://h/d") == {
        "connect_timeout": 10,
        "tcp_user_timeout": 30_000,
        "read_timeout": 30,
    }
    assert timeouts_of("mysql+pymysql://h/d?read_timeout=5") == {
        "connect_timeout": 10,
        "read_timeout": 5,
        "write_timeout": 30,
    }
    with pytest.raises(ConfigurationError, match="read_timeout"):
        SQLAlchemyTokenStore("postgresql+psycopg://h/d?read_timeout=soon")
    assert timeouts_of("mssql+pyodbc://h/d") == {}


def test_special_characters_in_a_password_survive():
    url = resolve("postgres://me:p%40ss%2Fw%25rd@h/d?host=/run/pg&sslmode=require")
    assert url.password == "p@ss/w%rd"
    assert url.query == {"host": "/run/pg", "sslmode": "require"}


def test_without_any_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("zoho_tokenstore.database.urls.find_spec", lambda _: None)
    with pytest.raises(MissingDriverError, match=r"zoho-tokenstore\[mysql\]"):
        resolve("mariadb://h/d")


def test_a_url_object_and_an_engine_are_taken_too(sqlite_url):
    with SQLAlchemyTokenStore(make_url(sqlite_url)) as store:
        store.save_token(login("alice"))
    engine = create_engine(sqlite_url)
    with SQLAlchemyTokenStore(engine) as store:
        assert len(stored(store)) == 1
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM oauthtoken").scalar() == 1
    engine.dispose()


def test_the_callers_engine_keeps_its_own_behaviour(sqlite_url):
    engine = create_engine(sqlite_url)
    with SQLAlchemyTokenStore(engine) as store:
        store.save_token(login("alice"))
        assert engine.hide_parameters is False
        with engine.connect() as connection:
            assert not connection.connection.in_transaction, "no BEGIN IMMEDIATE of ours"
            assert connection.get_isolation_level() == "SERIALIZABLE"
    engine.dispose()


def test_a_store_can_be_used_again_after_close(sqlite_url):
    store = SQLAlchemyTokenStore(sqlite_url)
    store.save_token(login("alice"))
    store.close()
    assert store._database._connections.engines.autocommit.pool.checkedin() == 0
    assert len(stored(store)) == 1
    store.close()


@pytest.mark.parametrize("name", ["", "a b", "a;b", "1a", "ü", "x" * 41, "a.b", 'a"b'])
def test_names_that_not_every_database_takes_are_refused(name):
    with pytest.raises(ConfigurationError, match="table name"):
        SQLAlchemyTokenStore("sqlite://", table=name)
    with pytest.raises(ConfigurationError, match="schema name"):
        SQLAlchemyTokenStore("sqlite://", schema=name)


def test_the_environment_describes_a_store(sqlite_url):
    environ = {"ZOHO_TOKENSTORE_URL": sqlite_url, "ZOHO_TOKENSTORE_TABLE": "mine"}
    with SQLAlchemyTokenStore.from_env(environ, missing_id="raise") as store:
        store.save_token(login("alice"))
        assert repr(store) == f"SQLAlchemyTokenStore({sqlite_url!r}, table='mine')"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, "ZOHO_TOKENSTORE_URL"),
        ({"URL": ""}, "ZOHO_TOKENSTORE_URL"),
        ({"URL": "me:s3cret@nowhere"}, "ZOHO_TOKENSTORE_URL"),
        ({"URL": "sqlite://", "TABLE": "a b"}, "ZOHO_TOKENSTORE_TABLE"),
        ({"URL": "sqlite://", "SCHEMA": "a b"}, "ZOHO_TOKENSTORE_SCHEMA"),
    ],
)
def test_a_bad_variable_is_named_and_its_secrets_are_not(environ, variable):
    environ = {f"ZOHO_TOKENSTORE_{name}": value for name, value in environ.items()}
    with pytest.raises(ConfigurationError, match=variable) as caught:
        Settings.from_env(environ)
    assert "s3cret" not in str(caught.value)


def test_no_password_in_any_error_or_repr():
    url = "postgresql+psycopg://me:s3cret-word@127.0.0.1:1/tokens?connect_timeout=2"
    store = SQLAlchemyTokenStore(url)
    with sdk_error(DatabaseUnavailableError, "127.0.0.1") as caught:
        store.find_token(make_token("alice"))
    errors, error = [], caught.value
    while error is not None:
        errors.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert len(errors) >= 3, "down to the driver's own"
    assert "s3cret" not in f"{errors} {store!r}"
    assert "***" in repr(store)


@pytest.mark.parametrize("owned", [True, False])
def test_no_secret_in_logs_even_with_echo(sqlite_url, caplog, owned):
    caplog.set_level(logging.DEBUG, logger="sqlalchemy.engine")
    engine = create_engine(sqlite_url, echo="debug")
    store = SQLAlchemyTokenStore(sqlite_url if owned else engine)
    token = login("alice")
    store.save_token(token)
    store.find_token_by_id(token.get_id())
    if owned:
        store.close()
    engine.dispose()
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "INSERT INTO oauthtoken" in logged
    assert LOGIN["client_secret"] not in logged
    assert token.get_refresh_token() not in logged


def test_errors_that_are_not_the_drivers_are_translated_too():
    from sqlalchemy import exc

    url = make_url("postgresql+psycopg://me:s3cret@h/d?sslpassword=s3cret")
    for error, kind in (
        (exc.TimeoutError("pool"), DatabaseBusyError),
        (exc.CompileError("s3cret"), DatabaseError),
        (exc.OperationalError("select s3cret", {}, Exception("s3cret")), DatabaseUnavailableError),
        (exc.DBAPIError("select", {}, Exception("s3cret")), DatabaseError),
    ):
        translated = translate(error, url)
        assert type(translated) is kind
        assert "s3cret" not in str(translated)
        assert "postgresql+psycopg://me:***@h/d" in str(translated)


@pytest.mark.parametrize("charset", ["latin1", "utf8", "utf8mb3", ""])
@pytest.mark.parametrize("kind", ["mysql+pymysql", "mariadb+pymysql"])
def test_a_charset_that_lacks_characters_is_a_configuration_error(kind, charset):
    url = make_url(f"{kind}://h/d").update_query_dict({"charset": charset})
    for database in (url, create_engine(url)):
        with pytest.raises(ConfigurationError, match=r"charset=.*set it to utf8mb4"):
            SQLAlchemyTokenStore(database)
    SQLAlchemyTokenStore(f"{kind}://h/d?charset=utf8mb4")
