"""Networks refuse, cut and swallow: nothing is lost, done twice or waited for for ever."""

import time

import pytest
from sqlalchemy import make_url

from proxy import proxied
from servers import DRIVERS, KINDS
from support import login, make_token, record, sdk_error, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database import faults
from zoho_tokenstore.errors import DatabaseUnavailableError


@pytest.fixture(params=(*KINDS, *DRIVERS))
def proxy_and_url(request, open_database):
    with proxied(open_database(request.param)) as (proxy, url):
        yield proxy, url


@pytest.fixture
def proxy(proxy_and_url):
    return proxy_and_url[0]


@pytest.fixture
def store(proxy_and_url):
    with SQLAlchemyTokenStore(proxy_and_url[1]) as store:
        store.save_token(login("alice"))
        yield store


def user_of(token):
    return token.get_user_signature().get_name()


SAVES = {
    "a new token": lambda n: [login(f"bob {n}")],
    "a new token with an id": lambda n: [login(f"bob {n}", id=f"id {n}")],
    "a batch": lambda n: [login(f"bob {n}"), login(f"carol {n}")],
    "a claimed token": lambda _: [login("bob", refresh_token="nameless")],
    "a refreshed token": lambda n: [login("bob", id="bob's", access_token=f"access {n}")],
}


@pytest.mark.parametrize("fault", ["cut_before", "lose_reply_to"])
@pytest.mark.parametrize("tokens_of", SAVES.values(), ids=SAVES)
def test_wherever_a_save_is_cut_off_it_is_stored_once(store, proxy, fault, tokens_of):
    store.save_token(login("bob", id="bob's"))
    cuts = 0
    while True:
        store.save_token(login(refresh_token="nameless", access_token="old"))
        tokens, before = tokens_of(cuts), proxy.struck
        getattr(proxy, fault)(cuts + 1)
        store.save_tokens(tokens)
        if proxy.struck == before:
            break
        cuts += 1
        names = [row["user_name"] for row in stored(store) if "user_name" in row]
        assert sorted(names) == sorted(set(names)), "no user twice"
        for token in tokens:
            found = record(store.find_token(make_token(user_of(token))))
            assert found == record(token), "and with the id that was reported"
    assert cuts >= 1
    assert record(store.find_token(make_token("alice"))).refresh_token == "1000.refresh.alice"


def test_a_lookup_that_is_cut_off_is_made_again(store, proxy):
    for fault in (proxy.cut_before, proxy.lose_reply_to):
        fault(1)
        assert store.find_token(make_token("alice")) is not None
    assert proxy.struck == 2


def test_a_deletion_that_is_cut_off_is_made_again(store, proxy):
    for number in range(1, 4):
        store.save_token(login("bob", id="bob's"))
        proxy.lose_reply_to(number)
        store.delete_token("bob's")
        proxy.behave()
        assert len(stored(store)) == 1
    assert proxy.struck >= 1


def test_idle_connections_that_were_reset_are_not_noticed(store, proxy):
    for call in (
        lambda: store.find_token(make_token("alice")).get_id(),
        lambda: store.save_token(login("alice", access_token="new")),
        lambda: store.save_tokens([login("bob"), login("carol")]),
        lambda: store.delete_token("unknown"),
        store.get_tokens,
    ):
        proxy.reset()
        call()
    assert proxy.struck >= 5
    assert len(stored(store)) == 3


def test_a_server_that_refuses_is_an_error_at_once(store, proxy):
    proxy.refuse()
    proxy.reset()
    started = time.monotonic()
    with sdk_error(DatabaseUnavailableError, "127.0.0.1"):
        store.find_token(make_token("alice"))
    assert time.monotonic() - started < faults.RETRY_SECONDS
    proxy.behave()
    assert store.find_token(make_token("alice")) is not None


@pytest.mark.parametrize("call", ["find_token", "save_token"])
def test_a_network_that_swallows_everything_is_given_up(proxy_and_url, monkeypatch, call):
    monkeypatch.setattr(faults, "RETRY_SECONDS", 0.5)
    proxy, url = proxy_and_url
    if "+psycopg2" in url:
        pytest.skip("psycopg2 waits for an answer without a limit, as the documentation says")
    url = make_url(url).update_query_dict({"read_timeout": "1", "connect_timeout": "1"})
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        proxy.swallow()
        with sdk_error(DatabaseUnavailableError, "127.0.0.1"):
            getattr(store, call)(login("alice", access_token="new"))
        proxy.behave()
        assert store.find_token(make_token("alice")) is not None
