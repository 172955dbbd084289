"""A connection that goes back into the pool leaves nothing half done behind."""

import gc

import pytest

from support import login, stored
from zoho_tokenstore import SQLAlchemyTokenStore


@pytest.fixture
def store(url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        yield store


def delete_all(store, session):
    store._tokens.delete_all(session)


def test_a_transaction_that_raises_is_rolled_back(store):
    def fail(session):
        delete_all(store, session)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._database.write(fail)
    assert len(stored(store)) == 1


def test_a_transaction_that_nobody_ends_is_rolled_back(store):
    connection = store._database._engines.writer.connect()
    delete_all(store, connection)
    del connection
    gc.collect()
    assert len(stored(store)) == 1
    store.save_token(login("bob"))
