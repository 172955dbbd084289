"""Servers that are killed, restarted or drop connections: what was acknowledged stays, once."""

import threading
import time

import pytest
from sqlalchemy import text
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException

from servers import KINDS, UnavailableError
from support import login, make_token, sdk_error, stored, wait_until
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
    from zoho_tokenstore.database import Database

    database = Database(url)
    kills = database.autocommit(lambda session: session.scalars(text(DISCONNECT[kind])).all())
    for kill in kills:
        if isinstance(kill, str):
            database.autocommit(lambda session, kill=kill: session.execute(text(kill)))
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
    acknowledged: list[tuple[str, str]] = []
    ended = threading.Event()

    def save_for_ever(name: int) -> None:
        number = 0
        while not ended.is_set():
            token = login(f"user {name}.{number}")
            try:
                store.save_token(token)
            except SDKException:
                time.sleep(0.05)
                continue  # the same token again, as an application would
            acknowledged.append((f"user {name}.{number}", token.get_id()))
            number += 1

    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
        writers = [threading.Thread(target=save_for_ever, args=(name,)) for name in range(4)]
        for writer in writers:
            writer.start()
        for round_ in range(1, 3):
            wait_until(lambda: len(acknowledged) >= 60 * round_)  # noqa: B023 - called at once
            server.kill()
            server.start_again()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= before + 40)
        ended.set()
        for writer in writers:
            writer.join()
        rows = [(row["user_name"], row["id"]) for row in stored(store)]
    assert len(rows) == len(set(rows)) == len({name for name, _ in rows})
    assert set(acknowledged) <= set(rows)
