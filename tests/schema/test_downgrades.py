"""Downgrades that would lose tokens, their keys or the audit are refused."""

import pytest

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


@pytest.mark.parametrize("target", ["0002", "0001", "-2", "base"])
def test_a_downgrade_never_deletes_the_keys_of_encrypted_tokens(database, url, target):
    keyring = Keyring.from_text(KEY)
    with SQLAlchemyTokenStore(url, keyring=keyring) as store:
        store.save_token(login("alice"))
        before = stored(store)
        for confirmed in (False, True):
            with pytest.raises(MigrationError, match=r"encrypted tokens \(1\) that need the table"):
                migrations.downgrade(database, SCHEMA, target, confirmed=confirmed)
        assert stored(store) == before
        store.delete_tokens()
    migrations.downgrade(database, SCHEMA, target, confirmed=True)


def test_a_downgrade_that_keeps_the_keys_keeps_encrypted_tokens(database, url):
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(KEY)) as store:
        store.save_token(login("alice"))
        before = stored(store)
        migrations.downgrade(database, SCHEMA, "0003", confirmed=True)
        migrations.upgrade(database, SCHEMA)
        assert stored(store) == before


def test_a_downgrade_does_not_drop_an_audit_unless_confirmed(database, url):
    with SQLAlchemyTokenStore(url) as store:
        store.save_token(login("alice"))
        store.delete_tokens()
    for target in ("base", "-1", "0003"):
        with pytest.raises(MigrationError, match=r"a downgrade deletes \([12]\); pass"):
            migrations.downgrade(database, SCHEMA, target)
    migrations.downgrade(database, SCHEMA, "0003", confirmed=True)
    migrations.downgrade(database, SCHEMA, "base")
