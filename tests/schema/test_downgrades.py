"""Downgrades that would lose tokens, their keys or the audit are refused."""

import pytest
from sqlalchemy import text

from support import KEY, login, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    MigrationError,
)
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import SchemaState, TokenSchema

SCHEMA = TokenSchema()


def test_a_downgrade_does_not_drop_tokens_unless_confirmed(database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        with pytest.raises(MigrationError, match=r"a downgrade may delete \(1\)"):
            migrations.downgrade(database, SCHEMA, "base")
        assert len(stored(store)) == 1
    migrations.downgrade(database, SCHEMA, "base", confirmed=True)
    assert database.read(lambda session: SCHEMA.state(session.connection())) is SchemaState.EMPTY


@pytest.mark.parametrize("target", ["0004", "0001", "-2", "base"])
def test_a_downgrade_never_loses_encrypted_tokens(database, url, target):
    keyring = Keyring.from_text(KEY)
    with SQLAlchemyTokenStore(url, keyring=keyring) as store:
        store.save_token(login("alice"))
        before = stored(store)
        for confirmed in (False, True):
            with pytest.raises(MigrationError, match=r"encrypted tokens \(1\), which are lost"):
                migrations.downgrade(database, SCHEMA, target, confirmed=confirmed)
        assert stored(store) == before
        store.delete_tokens()
    migrations.downgrade(database, SCHEMA, target, confirmed=True)


def test_encrypted_tokens_survive_a_downgrade_to_the_revision_that_brought_them(database, url):
    keyring = Keyring.from_text(KEY)
    with SQLAlchemyTokenStore(url, keyring=keyring) as store:
        store.save_token(login("alice"))
        before = stored(store)
        migrations.downgrade(database, SCHEMA, "0005", confirmed=True)
        migrations.upgrade(database, SCHEMA)
        assert stored(store) == before


def test_readable_tokens_survive_a_downgrade_and_an_upgrade(database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        before = stored(store)
        migrations.downgrade(database, SCHEMA, "0001", confirmed=True)
        migrations.upgrade(database, SCHEMA)
        assert stored(store) == before


def test_tokens_in_the_earlier_form_of_encryption_are_not_upgraded(database):
    migrations.upgrade(database, SCHEMA, "0004")
    database.write(
        lambda session: session.execute(
            text(
                "INSERT INTO oauthtoken (id_digest, id, identity_digest, refresh_token, created_at,"
                " updated_at) VALUES ('a', 'a', 'a', :value, '2026-01-01', '2026-01-01')"
            ),
            {"value": "zts1:one:AAAA"},
        )
    )
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"an earlier form of encryption \(1\)"):
            migrations.upgrade(database, SCHEMA)
    database.write(lambda session: session.execute(text("DELETE FROM oauthtoken")))
    migrations.upgrade(database, SCHEMA)
    migrations.check(database, SCHEMA)


def test_a_downgrade_does_not_drop_an_audit_unless_confirmed(database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        store.delete_tokens()
    for target in ("base", "-3", "0003"):
        with pytest.raises(MigrationError, match=r"a downgrade deletes \([12]\); pass"):
            migrations.downgrade(database, SCHEMA, target)
    migrations.downgrade(database, SCHEMA, "0003", confirmed=True)
    migrations.downgrade(database, SCHEMA, "base")
