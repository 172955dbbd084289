"""Servers that are killed, restarted or drop connections: what was acknowledged stays, once."""

import time

import pytest
from sqlalchemy import text

from servers import KINDS, UnavailableError
from support import Writers, login, make_token, sdk_error, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import DatabaseUnavailableError

KILL = (
    "SELECT CONCAT('KILL ', id) FROM information_schema.processlist"
    " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
)
DISCONNECT = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mariadb": KILL,
    "mysql": KILL,
}


@pytest.fixture(params=KINDS)
def own_server(request):
    """A server of this test's own, to be killed."""
    kind = KINDS[request.param]
    try:
        server = kind()
    except UnavailableError as error:
        pytest.skip(f"backend not tested: {request.param}: {error}")
    if server.is_given:
        pytest.skip(f"{kind.variable} names a server that is not ours to kill")
    with server.database() as url:
        yield server, url
    server.stop()


def disconnect_all(kind, url):
    """Cut every connection but our own, as a server or a firewall does to idle ones."""
    from zoho_tokenstore.database.database import Database

    database = Database(url, connections=1)  # shares none with the store
    kills = database.read(lambda session: session.scalars(text(DISCONNECT[kind])).all())
    for kill in kills:
        if isinstance(kill, str):
            database.read(lambda session, kill=kill: session.execute(text(kill)))
    database.close()
    return len(kills)


@pytest.mark.parametrize("kind", KINDS)
def test_connections_that_died_in_the_pool_are_not_noticed(open_database, kind):
    url = open_database(kind)
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        for call in (
            lambda: store.find_token(make_token("alice")).get_id(),
            lambda: store.save_token(login("alice", access_token="new")),
            lambda: len(store.get_tokens()),
            lambda: store.delete_token("unknown"),
        ):
            assert disconnect_all(kind, url) >= 1
            call()
        assert len(stored(store)) == 1


def test_a_server_that_is_down_is_an_error_at_once_and_the_next_call_works(own_server):
    server, url = own_server
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        server.kill()
        started = time.monotonic()
        with sdk_error(DatabaseUnavailableError, "127.0.0.1"):
            store.find_token(make_token("alice"))
        assert time.monotonic() - started < 10
        server.start_again()
        assert store.find_token(make_token("alice")) is not None


def test_what_was_acknowledged_survives_kill_9_of_the_server(own_server):
    server, url = own_server
    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
        with Writers([store] * 4) as writers:
            for _ in range(2):
                writers.wait_for(60)
                server.kill()
                server.start_again()
            writers.wait_for(40)
        writers.assert_nothing_is_lost(store)
