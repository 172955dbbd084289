"""Secrets stay out of what people show: tracebacks with local variables, logs, reprs."""

import logging
import sqlite3
from itertools import product

import pytest
from sqlalchemy import create_engine, text

import sdks
from sdks import SDKException
from support import KEY, login, make_token, shown, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError

SECRETS = {
    "client_secret": "client-secret-nobody-shall-see",
    "refresh_token": "1000.refresh-token-nobody-shall-see",
    "access_token": "1000.access-token-nobody-shall-see",
    "grant_token": "1000.grant-token-nobody-shall-see",
}


def assert_silent(shown_text):
    assert not [name for name, secret in SECRETS.items() if secret[5:] in shown_text]
    assert KEY.partition(":")[2] not in shown_text


def opened(url, *, encrypted=True, **options):
    keyring = Keyring.from_text(KEY) if encrypted else None
    return SQLAlchemyTokenStore(url, keyring=keyring, **options)


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture(params=["with keys", "without keys"])
def store(request, url):
    with opened(url, encrypted=request.param == "with keys") as store:
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
        "delete": lambda: store.delete_token("the id"),
        "delete all": lambda: store.delete_tokens(),  # noqa: PLW0108 - not looked up yet
    }


NEEDS_SEAL = ("a damaged seal", "another expiry", "an unknown key", "a readable row")

FAULTS = {
    "a damaged seal": "update oauthtoken set sealed = 'x'",
    "another expiry": "update oauthtoken set expiry = expiry + 1",
    "an unknown key": "update oauthtoken set key_id = 'other'",
    "a readable row": "update oauthtoken set sealed = null, key_id = null, refresh_token ="
    f" '{SECRETS['refresh_token']}', access_token = '{SECRETS['access_token']}'",
    "no such column": "alter table oauthtoken rename column expiry to expires",
    "no table": "alter table oauthtoken rename to gone",
}
MENDED = {
    "no such column": "alter table oauthtoken rename column expires to expiry",
    "no table": "alter table gone rename to oauthtoken",
}
CALLS = tuple(calls(None))
READING_CALLS = tuple(call for call in CALLS if not call.startswith("delete"))


@pytest.mark.parametrize(
    ("store", "fault", "call"),
    [
        *product(["with keys"], NEEDS_SEAL, READING_CALLS),
        *product(["with keys", "without keys"], ["no such column"], READING_CALLS),
        *product(["with keys", "without keys"], ["no table"], CALLS),
    ],
    indirect=["store"],
)
def test_no_traceback_shows_a_secret(url, store, fault, call, caplog):
    caplog.set_level(logging.DEBUG)
    tamper(url, FAULTS[fault])
    try:
        with pytest.raises((SDKException, TokenStoreError)) as caught:
            calls(store)[call]()
    finally:
        if fault in MENDED:
            tamper(url, MENDED[fault])
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


@pytest.mark.parametrize("encrypted", [True, False], ids=["with keys", "without keys"])
def test_no_database_that_is_busy_shows_a_secret(sqlite_url, encrypted):
    with opened(f"{sqlite_url}?timeout=0.1", encrypted=encrypted) as store:
        store.save_token(login("alice", **SECRETS))
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SDKException) as caught:
            store.save_token(login("alice", **SECRETS | {"access_token": "1000.other"}))
        other.close()
    assert "DatabaseBusyError" in shown(caught.value)
    assert_silent(shown(caught.value))


@pytest.mark.parametrize("call", ["save_token", "find_token", "delete_token", "save_tokens"])
def test_nothing_that_is_no_token_is_shown(store, call):
    wrong = dict(SECRETS)
    with pytest.raises((SDKException, TokenStoreError)) as caught:
        getattr(store, call)([wrong] if call == "save_tokens" else wrong)
    assert_silent(shown(caught.value))


def test_no_ambiguity_shows_a_secret(store):
    store.save_token(login("alice", **SECRETS, client_id="1000.other"))
    for token in (make_token("alice"), make_token("alice", **SECRETS)):
        for call in (store.find_token, store.save_token):
            with pytest.raises(SDKException) as caught:
                call(token)
            assert_silent(shown(caught.value))


PASSWORD = "password-nobody-shall-see"

UNUSABLE = {
    "postgresql": f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:1/none",
    "mysql": f"mysql+pymysql://user:{PASSWORD}@127.0.0.1:1/none",
    "mysql connector": f"mysql+mysqlconnector://user:{PASSWORD}@127.0.0.1:1/none",
    "no driver": f"postgresql+asyncpg://user:{PASSWORD}@127.0.0.1:1/none",
    "no dialect": f"nosql://user:{PASSWORD}@127.0.0.1:1/none",
    "no port": f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:port/none",
    "no number": f"mysql+pymysql://user:{PASSWORD}@127.0.0.1:1/none?connect_timeout=soon",
}


@pytest.mark.parametrize("url", UNUSABLE.values(), ids=UNUSABLE)
def test_no_database_that_cannot_be_used_shows_its_password(url):
    for options in ({}, {"keyring": "no keyring"}, {"table": "no table"}):
        with pytest.raises((SDKException, TokenStoreError)) as caught:
            SQLAlchemyTokenStore(url, **options).save_token(login("alice", **SECRETS))
        assert_silent(shown(caught.value))
        assert PASSWORD not in shown(caught.value)
    environ = {"ZOHO_TOKENSTORE_URL": url, "ZOHO_TOKENSTORE_KEYS": KEY}
    for name in ("AUDIT", "TABLE"):
        with pytest.raises(ConfigurationError) as caught:
            SQLAlchemyTokenStore.from_env(environ | {f"ZOHO_TOKENSTORE_{name}": "not valid"})
        assert_silent(shown(caught.value))
        assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize("encrypted", [True, False], ids=["with keys", "without keys"])
@pytest.mark.parametrize("revoked", [True, False], ids=["refused", "no answer"])
def test_no_refresh_that_fails_shows_a_secret(sqlite_url, zoho, tmp_path, encrypted, revoked):
    with opened(sqlite_url, encrypted=encrypted) as store:
        application = sdks.Application(zoho, store, tmp_path)
        login = sdks.new_token(grant_token=zoho.grant("alice@example.com"))
        assert application.visit(login, "alice@example.com")
        (row,) = stored(store)
        zoho.expire_access_tokens()
        expired = next(store._iter_records(lambda _: None))._replace(expiry=1000)
        store.save_token(sdks.SDK.build_token(expired))
        if revoked:
            zoho.refuse(row["refresh_token"])
        else:
            zoho.stop()
        with pytest.raises(SDKException) as caught:
            application.visit(make_token(row["user_name"]), "alice@example.com")
        assert "Zoho" in shown(caught.value) or "Connection" in shown(caught.value)
        for name in ("refresh_token", "access_token"):
            assert row[name] not in shown(caught.value), name


def test_no_representation_shows_a_secret(store):
    found = store._find_record(store._sdk.read_token(make_token("alice")))
    for thing in (
        found,
        store,
        store._opened.tables.keyring,
        store._opened.tables.tokens.codec,
        getattr(store._opened.tables.tokens.codec, "cipher", None),
    ):
        assert_silent(repr(thing))
        assert_silent(str(getattr(thing, "__dict__", "")))
