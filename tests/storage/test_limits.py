"""MySQL's and MariaDB's columns end at 64 KiB, which is said before a statement is sent."""

import json

import pytest
from sqlalchemy import event

from sources import sqlite_file, token
from support import KEY, login, make_token, sdk_error, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import InvalidTokenError

LIMIT = 65_535
LONG = {
    "refresh_token": "1" * (LIMIT + 1),
    "access_token": "é" * (LIMIT // 2 + 1),
    "api_domain": "https://www.zohoapis.eu/" + "x" * LIMIT,
}


@pytest.fixture(params=["mariadb", "mysql"])
def limited_url(request, open_database):
    return open_database(request.param)


@pytest.mark.parametrize("field", LONG)
def test_a_text_that_is_too_long_is_named_before_a_statement(limited_url, field):
    with SQLAlchemyTokenStore(limited_url) as store:
        store.save_token(login("alice"))
        sent = []
        engine = store._database._connections.engines.autocommit
        event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
        for token in (login("alice", **{field: LONG[field]}), login("bob", **{field: LONG[field]})):
            for save in (store.save_token, lambda token: store.save_tokens([token, login("c")])):
                with pytest.raises(Exception, match=f"{field} is too long: .* {LIMIT} bytes"):
                    save(token)
        assert not [statement for statement in sent if "INSERT" in statement.split("SELECT")[0]]
        assert [row["user_name"] for row in stored(store)] == ["alice"]


def test_the_longest_text_is_stored(limited_url):
    with SQLAlchemyTokenStore(limited_url) as store:
        store.save_token(login("alice", access_token="é" * (LIMIT // 2)))
        found = store.find_token(make_token("alice"))
        assert len(found.get_access_token().encode()) == LIMIT - 1


def test_encrypted_secrets_share_a_column(limited_url):
    with SQLAlchemyTokenStore(limited_url, keyring=Keyring.from_text(KEY)) as store:
        secrets = dict.fromkeys(("refresh_token", "access_token"), "x" * 20000)
        store.save_token(login("alice", **secrets))
        with sdk_error(InvalidTokenError, "the encrypted secrets together are too long"):
            store.save_token(login("bob", grant_token="y" * 20_000, **secrets))


def test_a_row_too_long_to_be_encrypted_is_named_and_the_others_are_encrypted(
    limited_url, run_command
):
    long = {"refresh_token": "x" * 30_000, "access_token": "y" * 30_000}
    nearly = {"refresh_token": "x" * 24_000, "access_token": "z" * 24_000}
    with SQLAlchemyTokenStore(limited_url) as store:
        store.save_tokens([login("alice", **long), login("bob", **nearly), login("carol")])
        before = {row["user_name"]: row for row in stored(store)}
    for options in (("--dry-run",), ()):
        done = run_command(limited_url, "keys", "encrypt", *options, "--json", KEYS=KEY)
        counts = {"rotated": 2, "current": 0, "failed": 1}
        assert (done.status, json.loads(done.out)) == (1, counts)
        assert f"token {before['alice']['id']!r} is left as it is" in done.err
        assert "the encrypted secrets together are too long" in done.err
    keyring = Keyring.from_text(KEY)
    with SQLAlchemyTokenStore(limited_url, keyring=keyring, accept_readable=True) as store:
        assert {row["user_name"]: row for row in stored(store)} == before
    newer = f"{Keyring.generate_key()},{KEY}"
    accepting = {"KEYS": newer, "ACCEPT_READABLE": "1"}
    done = run_command(limited_url, "keys", "rotate", "--json", **accepting)
    assert (done.status, json.loads(done.out)["rotated"]) == (1, 2)
    assert f"token {before['alice']['id']!r} is left as it is" in done.err


@pytest.mark.parametrize("keys", ["", KEY], ids=["readable", "encrypted"])
def test_a_token_too_long_for_its_row_is_left_out_of_an_import(
    limited_url, tmp_path, run_command, keys
):
    # Each text of bob's fits, but his new one not together with the one that is stored.
    first = [token("alice"), token("bob", 2, grant_token="g" * 30_000)]
    half = {"access_token": "a" * 30_000}
    second = [
        token("alice", **half),
        token("bob", 2, **half),
        token("carol", 3, refresh_token="1" * (LIMIT + 1)),
        token("dave", 4),
    ]
    outcomes = []
    for number, rows in enumerate((first, second)):
        newer = [row | {"expiry": row["expiry"] + number} for row in rows]
        sqlite_file(tmp_path / f"{number}.db", rows=newer)
        source = f"sqlite:///{tmp_path / f'{number}.db'}"
        done = run_command(limited_url, "import", "dbstore", source, "--json", KEYS=keys)
        outcomes.append({name: n for name, n in json.loads(done.out).items() if n})
    long = {"carol"} | ({"bob"} if keys else set())
    assert outcomes[0] == {"created": 2}
    assert outcomes[1] == {"created": 1, "updated": 3 - len(long), "left_out": len(long)}
    assert done.err.count("too long: this database holds 65535 bytes") == len(long)
    with SQLAlchemyTokenStore(limited_url, keyring=Keyring.from_text(keys) if keys else None) as it:
        access = {row["user_name"]: row["access_token"][:2] for row in stored(it)}
        assert access == {"alice": "aa", "bob": "10" if keys else "aa", "dave": "10"}


def test_other_databases_have_no_limit(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice", access_token="1" * 1_000_000))
        assert len(store.find_token(make_token("alice")).get_access_token()) == 1_000_000
