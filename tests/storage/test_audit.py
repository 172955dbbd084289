"""The audit: what happened to which token, noted once, in the same transaction, never a value."""

import csv
import os
import re
import socket
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from sdks import SETTERS, SDKException
from support import (
    KEY,
    LOGIN,
    engine_of,
    execute,
    known,
    login,
    make_token,
    sdk_error,
    stored,
)
from zoho_tokenstore import Keyring, OAuthTokenRow, SQLAlchemyTokenStore, TokenPolicy
from zoho_tokenstore.cli import main
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    ConfigurationError,
    DatabaseError,
    IdConflictError,
    InvalidTokenError,
    TokenStoreError,
)
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.rotation import KeyRotation
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.transfer.layouts import FILES

TABLE = OAuthTokenRow.__table__
AUDIT = companion_table(TABLE, "audit")
CROWD = 16
MARKS = ("secret", "1000.refresh", "1000.access")
"""What every secret in these tests has in it."""


def opened(url, keys="", **options):
    keyring = Keyring.from_text(keys) if keys else None
    return SQLAlchemyTokenStore(url, keyring=keyring, **options)


def noted(url):
    return execute(url, select(AUDIT).order_by(AUDIT.c.entry_id))


def events(url):
    """What was noted, by token; entries of one moment are in no order."""
    return Counter((entry.event, entry.user_name) for entry in noted(url))


def one(url, event, user):
    (entry,) = [e for e in noted(url) if (e.event, e.user_name) == (event, user)]
    return entry


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture(params=["", KEY], ids=["readable", "encrypted"])
def keys(request):
    return request.param


@pytest.fixture
def store(url, keys):
    with opened(url, keys) as store:
        yield store
    entries = noted(url)
    assert entries
    for entry in entries:
        assert not any(mark in str(value) for value in entry for mark in MARKS)
        assert (entry.host, entry.process) == (socket.gethostname(), os.getpid())
        assert re.fullmatch("[0-9a-f]{12}", entry.credential)
        assert abs(entry.at - datetime.now(UTC)) < timedelta(minutes=5)


def save(store, user, access_token, **changes):
    token = login(user, access_token=f"secret {access_token}", **changes)
    store.save_token(token)
    return known(token)["id"]


def test_a_login_that_is_not_stored_is_not_noted(store, url):
    save(store, "alice", 1, refresh_token="secret old")
    save(store, "alice", 2, refresh_token="secret new")
    before = noted(url)
    save(store, "alice", 3, refresh_token="secret old")
    assert noted(url) == before


def test_a_save_is_noted_as_created_or_refreshed(store, url):
    key = save(store, "alice", 1)
    token = store.find_token(make_token("alice"))
    SETTERS["access_token"](token, "secret 2")
    store.save_token(token)
    save(store, "alice", 3, refresh_token="secret new")
    save(store, "bob", 4)
    assert events(url) == {
        ("created", "alice"): 1,
        ("refreshed", "alice"): 2,
        ("created", "bob"): 1,
    }
    alices = [entry for entry in noted(url) if entry.user_name == "alice"]
    assert {(entry.token_id, entry.client_id) for entry in alices} == {(key, LOGIN["client_id"])}
    assert len({entry.credential for entry in alices}) == 3


def test_a_batch_is_noted_token_by_token(store, url):
    save(store, "alice", 1)
    tokens = [login(user, access_token=f"secret of {user}") for user in ("alice", "bob", None)]
    store.save_tokens(tokens)
    assert events(url) == {
        ("created", "alice"): 1,
        ("refreshed", "alice"): 1,
        ("created", "bob"): 1,
        ("created", None): 1,
    }
    ids = {known(token)["id"] for token in tokens}
    assert {entry.token_id for entry in noted(url)} == ids
    assert len({entry.credential for entry in noted(url)}) == 4


def test_the_digest_is_another_when_the_access_token_is_another(store, url, keys):
    for access_token, expiry in ((1, "1"), (1, "2"), (2, "3")):
        save(store, "alice", access_token, expiry=expiry)
    store.save_tokens([login("alice", access_token="secret 2", expiry="4"), login("bob")])
    digests = Counter(entry.credential for entry in noted(url) if entry.user_name == "alice")
    assert sorted(digests.values()) == [2, 2]
    plain = {digest("access_token", f"secret {number}")[:12] for number in (1, 2)}
    assert not plain & set(digests) if keys else plain == set(digests)


def test_a_login_without_an_access_token_has_a_digest_too(store, url):
    for name in ("refresh_token", "grant_token"):
        store.save_token(make_token(name, client_id="c", **{name: "secret"}))
        assert one(url, "created", name).client_id == "c"


def test_a_login_that_a_user_takes_is_claimed(store, url):
    key = save(store, None, 1, refresh_token="secret same")
    assert save(store, "alice", 2, refresh_token="secret same") == key
    assert events(url) == {("created", None): 1, ("claimed", "alice"): 1}
    assert one(url, "claimed", "alice").token_id == key


def test_a_nameless_login_that_becomes_part_of_a_users_token_is_claimed(store, url):
    key = save(store, "alice", 1)
    nameless = save(store, None, 2, refresh_token="secret new")
    assert save(store, "alice", 3, refresh_token="secret new") == key
    assert [row["id"] for row in stored(store)] == [key]
    assert events(url) == {
        ("created", "alice"): 1,
        ("created", None): 1,
        ("claimed", None): 1,
        ("refreshed", "alice"): 1,
    }
    assert one(url, "claimed", None).token_id == nameless


def test_a_deleted_token_is_noted_as_it_was(store, url):
    key = save(store, "alice", 1)
    save(store, "bob", 2)
    store.delete_token(key)
    store.delete_token(key)
    store.delete_token("unknown")
    assert events(url)[("deleted", "alice")] == 1
    deleted, created = one(url, "deleted", "alice"), one(url, "created", "alice")
    assert deleted.token_id == key
    assert deleted.credential == created.credential
    assert deleted.client_id == created.client_id
    assert sum(events(url).values()) == 3


def test_each_of_all_deleted_tokens_is_noted(store, url):
    users = [f"user {number}" for number in range(30)]
    store.save_tokens([login(user) for user in users])
    store.delete_tokens()
    store.delete_tokens()
    assert events(url) == {(what, user): 1 for what in ("created", "deleted") for user in users}


def test_a_token_that_is_too_old_is_noted_as_expired_by_the_policy(store, url, keys):
    key = save(store, "alice", 1)
    save(store, "bob", 2)
    old = datetime.now(UTC) - timedelta(days=2)
    execute(url, update(TABLE).where(TABLE.c.user_name == "alice").values(created_at=old))
    with opened(url, keys, policy=TokenPolicy(max_age=timedelta(days=1))) as strict:
        assert strict.find_token(make_token("alice")) is None
        assert strict.find_token(make_token("alice")) is None
        assert strict.find_token(make_token("bob")) is not None
    assert events(url)[("policy-expired", "alice")] == 1
    assert one(url, "policy-expired", "alice").token_id == key
    assert sum(events(url).values()) == 3


def test_a_rotated_key_is_noted_for_each_token(store, url, keys):
    ids = {save(store, user, user) for user in ("alice", "bob")}
    new = Keyring.generate_key()
    database = Database(url)
    keyring = Keyring.from_text(f"{new},{keys}" if keys else new)
    tables = TokenTables(database, TokenSchema(), keyring, accept_readable=not keys)
    rotation = KeyRotation(tables)
    rotate = rotation.rotate_all if keys else rotation.seal_readable
    assert rotate(dry_run=True).rotated == 2
    assert len(noted(url)) == 2
    assert rotate().rotated == 2
    assert rotate().rotated == 0
    database.close()
    assert {e.token_id for e in noted(url) if e.event == "key-rotated"} == ids
    assert len(noted(url)) == 4


def test_an_imported_token_is_noted_as_imported(store, url, keys, tmp_path, monkeypatch):
    key = save(store, "alice", 1)
    path = tmp_path / "tokens.csv"
    with path.open("w", newline="") as file:
        lines = csv.DictWriter(file, FILES["C"], restval="")
        lines.writeheader()
        for number, user in enumerate(("alice", "bob")):
            tokens = {f"{name}_token": f"secret {name} {number}" for name in ("access", "refresh")}
            client = {"client_id": LOGIN["client_id"], "client_secret": LOGIN["client_secret"]}
            lines.writerow({"id": number, "user_name": user, **client, **tokens})
    monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", keys)
    arguments = ["import", "filestore", str(path), "--on-conflict", "replace", "--url", url]
    for dry_run in (["--dry-run"], [], []):
        monkeypatch.setattr("sys.argv", ["zoho-tokenstore", *arguments, *dry_run])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    assert events(url) == {
        ("created", "alice"): 1,
        ("imported", "alice"): 1,
        ("imported", "bob"): 1,
    }
    assert one(url, "imported", "alice").token_id == key


def test_a_save_that_fails_notes_nothing(store, url):
    key = save(store, "alice", 1)
    for client in ("one", "two"):
        save(store, "bob", client, client_id=client, refresh_token=f"secret {client}")
    before = noted(url)
    for error, bad in {
        IdConflictError: {"user": "carol", "id": key, "access_token": "hers"},
        AmbiguousTokenError: {"user": "bob", "access_token": "whose?"},
        InvalidTokenError: {"user": "carol", "client_id": "nothing to store"},
    }.items():
        with sdk_error(error):
            store.save_token(make_token(**bad))
        with pytest.raises(error):
            store.save_tokens(
                [login("dave"), login("alice", access_token="new"), make_token(**bad)]
            )
    assert noted(url) == before
    assert len(stored(store)) == 3


def test_what_cannot_be_noted_is_not_done(url, keys):
    with opened(url, keys) as store:
        alice = login("alice")
        store.save_tokens([alice, login("bob")])
        before = stored(store)
        AUDIT.drop(engine_of(url))
        found = store.find_token(make_token("alice"))
        SETTERS["access_token"](found, "refreshed")
        for token in (found, login("alice", refresh_token="new"), login("carol")):
            with sdk_error(DatabaseError):
                store.save_token(token)
        with pytest.raises(TokenStoreError):
            store.save_tokens([login("carol"), login("bob", access_token="new")])
        for delete in (lambda: store.delete_token(known(alice)["id"]), store.delete_tokens):
            with pytest.raises(SDKException):
                delete()
        assert stored(store) == before
        AUDIT.create(engine_of(url))


def use(store):
    key = save(store, "alice", 1)
    save(store, "alice", 2)
    store.save_tokens([login("alice", access_token="3"), login("bob")])
    store.delete_token(key)
    store.delete_tokens()


def test_without_the_audit_nothing_is_noted(url):
    with opened(url, audit=False) as store:
        use(store)
    environ = {"ZOHO_TOKENSTORE_URL": url}
    with SQLAlchemyTokenStore.from_env(environ | {"ZOHO_TOKENSTORE_AUDIT": "off"}) as store:
        use(store)
    assert execute(url, select(func.count()).select_from(AUDIT)) == [(0,)]
    for audit in ({}, {"ZOHO_TOKENSTORE_AUDIT": "on"}, {"ZOHO_TOKENSTORE_AUDIT": ""}):
        before = len(noted(url))
        with SQLAlchemyTokenStore.from_env(environ | audit) as store:
            use(store)
        assert len(noted(url)) > before


@pytest.mark.parametrize("value", ["ON", "yes", "0"])
def test_another_word_than_on_or_off_is_refused(value):
    environ = {"ZOHO_TOKENSTORE_URL": "sqlite://", "ZOHO_TOKENSTORE_AUDIT": value}
    with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_AUDIT"):
        SQLAlchemyTokenStore.from_env(environ)


def save_both(url, number):
    with opened(url) as store:
        store.save_token(login("alice", access_token=f"access {number}"))
        store.save_tokens([login("bob", access_token=f"access {number}"), login(f"user {number}")])
    return os.getpid()


def test_of_sixteen_savers_of_one_new_user_exactly_one_has_created_it(crowd, url):
    with opened(url) as store:
        assert stored(store) == []
    processes = crowd.run(save_both, [(url, number) for number in range(CROWD)])
    everything = noted(url)
    assert len({entry.entry_id for entry in everything}) == CROWD * 3
    for user in ("alice", "bob"):
        entries = [entry for entry in everything if entry.user_name == user]
        assert Counter(e.event for e in entries) == {"created": 1, "refreshed": CROWD - 1}
        assert sorted(entry.process for entry in entries) == sorted(processes)
        assert len({entry.credential for entry in entries}) == CROWD
        assert len({entry.token_id for entry in entries}) == 1
        assert moment(one(url, "created", user)) == moment(entries[0])
    for entry in everything:
        assert abs(moment(entry) - entry.at) < timedelta(seconds=5)


def moment(entry):
    """Return the time that an entry's id begins with."""
    return datetime.fromtimestamp(int(entry.entry_id[:12], 16) / 1000, UTC)


def test_entries_of_one_moment_are_in_the_order_of_what_the_process_did(monkeypatch):
    for clock in ("time", "time_ns"):
        now = getattr(time, clock)()
        monkeypatch.setattr(time, clock, lambda now=now: now)
    users = [f"user {number}" for number in range(50)]
    with opened("sqlite://") as store:
        for user in users:
            store.save_token(login(user))
        entries = store._database.read(
            lambda session: store._opened.tables.audit.read_entries(session, "")
        )
    assert [entry.user_name for entry in entries] == users
