"""MySQL's and MariaDB's columns end at 64 KiB, which is said before a statement is sent."""

import pytest
from sqlalchemy import event

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


def test_other_databases_have_no_limit(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice", access_token="1" * 1_000_000))
        assert len(store.find_token(make_token("alice")).get_access_token()) == 1_000_000
