"""Secrets stay out of what people show: tracebacks with local variables, logs, reprs."""

import logging
import sqlite3

import pytest
from sqlalchemy import create_engine, text

from sdks import SDKException
from support import KEY, login, make_token, shown
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import TokenStoreError

SECRETS = {
    "client_secret": "client-secret-nobody-shall-see",
    "refresh_token": "1000.refresh-token-nobody-shall-see",
    "access_token": "1000.access-token-nobody-shall-see",
    "grant_token": "1000.grant-token-nobody-shall-see",
}


def assert_silent(shown_text):
    assert not [name for name, secret in SECRETS.items() if secret[5:] in shown_text]
    assert KEY.partition(":")[2] not in shown_text


@pytest.fixture
def store(url):
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(KEY)) as store:
        store.save_token(login("alice", **SECRETS))
        yield store


def tamper(url, change):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()


def calls(store):
    token = login("alice", **SECRETS)
    return {
        "find by user": lambda: store.find_token(make_token("alice")),
        "find by token": lambda: store.find_token(
            make_token(refresh_token=SECRETS["refresh_token"])
        ),
        "find what is known": lambda: store.find_token(token),
        "save": lambda: store.save_token(token),
        "save many": lambda: store.save_tokens([token]),
        "get all": lambda: list(store.get_tokens()),
        "iterate": lambda: list(store.iter_tokens()),
    }


FAULTS = {
    "a damaged seal": "update oauthtoken set sealed = 'x'",
    "another expiry": "update oauthtoken set expiry = expiry + 1",
    "an unknown key": "update oauthtoken set key_id = 'other'",
    "no seal": "update oauthtoken set sealed = null, key_id = null",
    "a text for a number": "alter table oauthtoken rename column expiry to expires",
    "no table": "drop table oauthtoken",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", list(calls(None)))
def test_no_traceback_shows_a_secret(url, store, fault, call, caplog):
    caplog.set_level(logging.DEBUG)
    tamper(url, FAULTS[fault])
    with pytest.raises((SDKException, TokenStoreError)) as caught:
        calls(store)[call]()
    assert_silent(shown(caught.value))
    assert_silent(caplog.text)


@pytest.mark.parametrize(
    "bad",
    [
        {"expiry": "soon"},
        {"access_token": SECRETS["access_token"] + "\x00"},
        {"access_token": SECRETS["access_token"] + "\ud800"},
        {"redirect_url": "https://\x00"},
    ],
    ids=["expiry", "null", "surrogate", "another field"],
)
@pytest.mark.parametrize("call", ["save_token", "find_token", "save_tokens"])
def test_no_refusal_shows_a_secret(store, bad, call, caplog):
    token = login("alice", **SECRETS | bad)
    with pytest.raises((SDKException, TokenStoreError)) as caught:
        getattr(store, call)([token] if call == "save_tokens" else token)
    assert_silent(shown(caught.value))
    assert_silent(caplog.text)


def test_no_database_that_is_busy_shows_a_secret(sqlite_url):
    with SQLAlchemyTokenStore(f"{sqlite_url}?timeout=0.1", keyring=Keyring.from_text(KEY)) as store:
        store.save_token(login("alice", **SECRETS))
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SDKException) as caught:
            store.save_token(login("alice", **SECRETS | {"access_token": "1000.other"}))
        other.close()
    assert "DatabaseBusyError" in shown(caught.value)
    assert_silent(shown(caught.value))


def test_no_representation_shows_a_secret(store):
    found = store._find_record(store._sdk.read_token(make_token("alice")))
    for thing in (
        found,
        store,
        store._tables.keyring,
        store._tables.tokens.codec.cipher,
        store._tables.tokens.codec,
    ):
        assert_silent(repr(thing))
        assert_silent(str(getattr(thing, "__dict__", "")))
