"""A connection that goes back into the pool leaves nothing half done behind."""

import struct

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from support import login, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database import engines
from zoho_tokenstore.database.dialects import backend_named
from zoho_tokenstore.errors import DatabaseUnavailableError


class UselessError(Exception):
    """A driver's error with a number, as PyMySQL makes them."""


@pytest.fixture
def store(url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        yield store


def delete_all(store, session):
    store._opened.tables.deletion.delete_everything(session)


def test_a_transaction_that_raises_is_rolled_back(store):
    def fail(session):
        delete_all(store, session)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._database.write(fail)
    assert len(stored(store)) == 1


def test_a_transaction_whose_rollback_is_interrupted_is_rolled_back_later(store, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "_roll_back", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store._database.write(lambda session: (delete_all(store, session), interrupt()))
    assert len(stored(store)) == 1
    store.save_token(login("bob"))


@pytest.mark.parametrize("step", ["statement", "commit"])
def test_a_connection_to_a_server_that_became_useless_is_not_used_again(store, step, monkeypatch):
    used = []
    monkeypatch.setattr(store._database, "backend", backend_named("mysql"))

    def fail(*_):
        raise OperationalError("", {}, UselessError(1047, "this node has left the cluster"))

    def fail_to_commit(_connection, _cursor, statement, *_):
        if statement == "COMMIT" and len(used) == 1:
            fail()

    def work(session):
        used.append(session.connection().connection.dbapi_connection)
        if len(used) == 1:
            if step == "statement":
                fail()
            event.listen(session.connection().engine, "before_cursor_execute", fail_to_commit)
        else:
            monkeypatch.undo()

    store._database.write(work)
    assert len(used) == 2
    assert used[0] is not used[1]


def test_a_database_in_memory_outlives_a_failure_of_ours():
    with SQLAlchemyTokenStore("sqlite://") as store:
        store.save_token(login("alice"))
        with pytest.raises(DatabaseUnavailableError, match="ZeroDivisionError"):
            store._database.read(lambda _: 1 / 0)
        assert len(stored(store)) == 1


def test_a_connection_whose_driver_stumbled_is_not_used_again(store):
    def stumble(session):
        used.append(session.connection().connection.dbapi_connection)
        raise struct.error("unpack_from requires a buffer of at least 9 bytes")

    def look(session):
        used.append(session.connection().connection.dbapi_connection)

    used = []
    for run in (store._database.read, store._database.write):
        used.clear()
        with pytest.raises(DatabaseUnavailableError, match="driver failed"):
            run(stumble)
        run(look)
        assert used[0] is not used[1]
    assert len(stored(store)) == 1
