"""What the driver's cursor runs is seen by who wants to see it, and fails as with SQLAlchemy."""

import logging
import signal
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from support import login, make_token
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.compiled import CompiledStatement, fetch_all
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import DatabaseUnavailableError

SECONDS_LONG = {
    "sqlite": "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000000)"
    " SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(2)",
    "mysql": "SELECT SLEEP(2)",
    "mariadb": "SELECT SLEEP(2)",
}


class InterruptionError(BaseException):
    """Raised in the middle of anything, as by gevent.Timeout or Ctrl-C."""


@contextmanager
def interrupted_after(seconds):
    def interrupt(*_):
        raise InterruptionError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(InterruptionError):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def use(store):
    store.save_token(login("alice"))
    assert store.find_token(make_token("alice")) is not None


def kinds_of(statements):
    return {statement.split()[0] for statement in statements}


@pytest.fixture
def database(url):
    database = Database(url, connections=1)
    yield database
    database.close()


@pytest.fixture
def run(database):
    """Run a statement in a session of the database, and note the driver's connection."""

    def run(statement, **parameters):
        compiled = CompiledStatement(text(statement), fetch_all)

        def work(session):
            connection = session.connection()
            run.connections.append(connection.connection.dbapi_connection)
            return compiled.run(connection, parameters)

        return database.read(work)

    run.connections = []
    return run


def test_a_log_at_level_info_has_every_statement_without_its_values(url, caplog):
    caplog.set_level(logging.INFO, "sqlalchemy.engine.Engine.zoho_tokenstore")
    with SQLAlchemyTokenStore(url) as store:
        use(store)
        caplog.clear()
        use(store)
    assert {"COMMIT", "INSERT", "SELECT"} <= kinds_of(caplog.messages)
    assert "1000." not in caplog.text


def test_sqlalchemy_runs_every_statement_on_an_applications_engine(sqlite_url):
    statements = []
    engine = create_engine(sqlite_url)
    event.listen(engine, "do_execute", lambda _, statement, *__: statements.append(statement))
    with SQLAlchemyTokenStore(engine) as store:
        use(store)
        statements.clear()
        use(store)
    engine.dispose()
    assert {"BEGIN", "COMMIT", "INSERT", "SELECT"} <= kinds_of(statements)


def test_parameters_may_be_used_more_than_once_and_in_any_order(run):
    rows = run("SELECT :b, :a, :b", a="first", b="second")
    assert [tuple(row) for row in rows] == [("second", "first", "second")]


def test_a_connection_whose_statement_was_interrupted_is_not_used_again(run, database):
    run("SELECT :what", what="connected")
    with interrupted_after(0.2):
        run(SECONDS_LONG[database.url.get_backend_name()])
    assert [tuple(row) for row in run("SELECT :what", what="mine")] == [("mine",)]
    _, interrupted, next_one = run.connections
    assert next_one is not interrupted


def test_an_error_of_the_driver_is_sqlalchemys_and_shows_no_values(run):
    with pytest.raises(Exception, match=r"failed|missing") as raised:
        run("SELECT 1 FROM missing WHERE name = :name", name="1000.secret")
    error = raised.value.__cause__
    assert isinstance(error, DBAPIError)
    assert "SELECT 1 FROM missing" in str(error)
    assert "1000.secret" not in str(error)
    assert not error.connection_invalidated


def test_another_error_closes_the_connection(run):
    with pytest.raises(DatabaseUnavailableError, match="UnicodeEncodeError") as raised:
        run("SELECT :what", what="\ud800")
    assert isinstance(raised.value.__cause__, UnicodeEncodeError)
    assert raised.value.__cause__.__cause__ is None, "who follows the causes comes to an end"
    run("SELECT :what", what="mine")
    failed, next_one = run.connections
    assert next_one is not failed


def test_a_listener_sees_the_statements_of_a_batch(sqlite_url):
    inserted = []

    def note(_connection, statement, rows, *_):
        if statement.is_insert:
            inserted.append((statement.table.name, len(rows)))

    engine = create_engine(sqlite_url)
    event.listen(engine, "before_execute", note)
    save_ten_users(engine)
    engine.dispose()
    assert ("oauthtoken", 10) in inserted


@pytest.fixture
def inserts():
    """The statements that insert tokens, as a driver gets them: ``(statement, parameters)``."""
    inserts = []

    def note(_cursor, statement, parameters, _context):
        if statement.startswith("INSERT INTO oauthtoken "):
            inserts.append((statement, parameters))

    events = ("do_execute", "do_executemany")
    for name in events:
        event.listen(Engine, name, note)
    yield inserts
    for name in events:
        event.remove(Engine, name, note)


def save_ten_users(database):
    with SQLAlchemyTokenStore(database) as store:
        store.save_tokens([login(f"user {number}") for number in range(10)])
        assert len(store.get_tokens()) == 10


def test_the_rows_of_a_batch_are_handed_to_the_driver_together(url, inserts):
    save_ten_users(url)
    ((_, parameters),) = inserts
    assert len(parameters) == 10


def test_psycopg2_is_given_one_statement_with_all_rows(open_database, inserts):
    save_ten_users(open_database("postgresql+psycopg2"))
    ((statement, _),) = inserts
    assert statement.count("%(user_name__") == 10, "it would send one row after the other"
