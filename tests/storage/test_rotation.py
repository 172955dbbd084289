"""Rotation of keys, while others save and find: nothing is undone, nothing lost, all encrypted."""

import json
import os
import signal
import time

import pytest
from sqlalchemy import create_engine, select, text

from sdks import SETTERS
from support import known, login, make_token, record, stored, wait_until
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.cli import main
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.schema.models import OAuthTokenRow
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.keys import KeyTable
from zoho_tokenstore.storage.rotation import READABLE, KeyRotation, count_keys
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest

TABLE = OAuthTokenRow.__table__
OLD, NEW = "old:" + "A" * 43, "new:" + "B" * 42 + "A"
OLD_ID, NEW_ID = "old", "new"
BOTH = f"{NEW},{OLD}"


@pytest.fixture
def url(shared_url):
    return shared_url


def opened(url, keys, **options):
    keyring = Keyring.from_text(keys) if keys else None
    return SQLAlchemyTokenStore(url, keyring=keyring, **options)


def rotator(database, keys=BOTH, **options):
    return KeyRotation(TokenTables(database, TokenSchema(), Keyring.from_text(keys), **options))


def run_sql(url, statement, **parameters):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)
    engine.dispose()


@pytest.mark.parametrize("before", ["", OLD], ids=["readable", "old key"])
def test_everything_is_encrypted_with_the_first_key(url, database, before):
    with opened(url, before) as store:
        store.save_tokens([login(f"user {number}") for number in range(1_100)])
        store.save_tokens([login(refresh_token="nameless"), make_token(grant_token="unused")])
        tokens = stored(store)
    rotate = rotator(database, accept_readable=not before)
    rotate = rotate.rotate_all if before else rotate.seal_readable
    rotation = rotate(dry_run=True)
    assert (rotation.rotated, rotation.current, rotation.failed) == (1_102, 0, [])
    assert count_keys(database, TABLE) == {OLD_ID if before else READABLE: 1_102}
    rotation = rotate()
    assert (rotation.rotated, rotation.current, rotation.failed) == (1_102, 0, [])
    assert rotation.forgotten == ((OLD_ID,) if before else ())
    assert count_keys(database, TABLE) == {NEW_ID: 1_102}
    with opened(url, NEW) as store:
        assert stored(store) == tokens
        assert store.find_token(make_token(refresh_token="nameless")) is not None
        store.save_token(login(refresh_token="nameless", access_token="again"))
        assert len(stored(store)) == 1_102
    rotation = rotator(database).rotate_all()
    assert (rotation.rotated, rotation.current) == (0, 1_102)


def log_in_twice(store):
    store.save_token(login("alice", refresh_token="1000.old"))
    store.save_token(login("alice", refresh_token="1000.new"))


def superseded(database):
    return database.read(lambda session: session.scalars(select(TABLE.c.superseded_digest)).one())


def test_what_a_row_has_superseded_stays_known_after_a_rotation(url, database):
    with opened(url, OLD) as store:
        log_in_twice(store)
    before = superseded(database)
    assert rotator(database).rotate_all().rotated == 1
    assert superseded(database) == before
    with opened(url, NEW) as store:
        store.save_token(login("alice", refresh_token="1000.old"))
        assert known(store.find_token(make_token("alice")))["refresh_token"] == "1000.new"


def test_what_a_readable_row_has_superseded_is_forgotten_when_it_is_encrypted(url, database):
    with opened(url, "") as store:
        log_in_twice(store)
    assert superseded(database) == digest("refresh_token", "1000.old")
    assert rotator(database, OLD, accept_readable=True).seal_readable().rotated == 1
    assert superseded(database) is None


def test_a_save_that_encrypts_a_row_leaves_no_plain_digest_of_what_it_has_superseded(url, database):
    with opened(url, "") as store:
        log_in_twice(store)
    with opened(url, OLD, accept_readable=True) as store:
        store.save_token(login("alice", refresh_token=None, access_token="1000.refreshed"))
        assert superseded(database) is None
        log_in_twice(store)
        assert superseded(database) is not None


def test_a_concurrent_refresh_is_not_undone(url, database, monkeypatch):
    with opened(url, f"{OLD},{NEW}") as store, opened(url, BOTH) as other:
        store.save_tokens([login("alice"), login("bob"), login("carol"), login("dave")])
        rotate = rotator(database)
        write = rotate._rotate_rows

        def meanwhile(stale, rotation):
            assert len(stale) == 4
            for name, worker in (("alice", store), ("bob", other)):
                token = worker.find_token(make_token(name))
                SETTERS["access_token"](token, "newer")
                worker.save_token(token)
            store.delete_token(known(store.find_token(make_token("carol")))["id"])
            write(stale, rotation)

        monkeypatch.setattr(rotate, "_rotate_rows", meanwhile)
        rotation = rotate.rotate_all()
        assert (rotation.rotated, rotation.failed) == (3, [])
        for name in ("alice", "bob"):
            assert record(store.find_token(make_token(name))).access_token == "newer"
        assert store.find_token(make_token("carol")) is None
    assert count_keys(database, TABLE) == {NEW_ID: 3}


DAMAGED = ["damaged, new", "damaged, old"]
"""The users of two rows that cannot be rotated, so that neither key is forgotten."""


def work(url, keys, names, end):
    """Find and save, as a worker does; return what was last saved for each user."""
    last = {}
    with opened(url, keys) as store:
        rounds = 0
        while not rounds or not end.exists():
            for name in names:
                token = store.find_token(make_token(name))
                assert known(token)["refresh_token"] == f"1000.refresh.{name}"
                last[name] = f"{name}.{rounds}"
                SETTERS["access_token"](token, last[name])
                store.save_token(token)
            rounds += 1
    return last


def rotate_often(url, end):
    """Rotate there and back, several times; the others work as long."""
    database = Database(url)
    rotated = 0
    try:
        for keys in (BOTH, f"{OLD},{NEW}") * 4:
            rotation = rotator(database, keys).rotate_all()
            assert sorted(error.user_name for error in rotation.failed) == DAMAGED
            rotated += rotation.rotated
    finally:
        end.touch()
        database.close()
    return rotated


def attend(url, end, number):
    if number == 0:
        return rotate_often(url, end)
    keys = (BOTH, f"{OLD},{NEW}")[number % 2]
    return work(url, keys, [f"user {number}.{n}" for n in range(5)], end)


def test_workers_save_and_find_while_the_keys_are_rotated(crowd, url, tmp_path):
    workers = range(1, 9)
    with opened(url, OLD) as store:
        store.save_tokens([login(f"user {w}.{n}") for w in workers for n in range(5)])
        store.save_tokens([login(f"idle {n}") for n in range(500)])
        store.save_token(login("damaged, old"))
    with opened(url, BOTH) as store:
        store.save_token(login("damaged, new"))
    run_sql(url, "update oauthtoken set sealed = 'x' where user_name like 'damaged%'")
    rotated, *saved = crowd.run(attend, [(url, tmp_path / "end", n) for n in range(9)])
    assert rotated >= 8 * 500
    with opened(url, BOTH) as store:
        assert len(list(store.iter_tokens(on_error="skip"))) == 540
        for last in saved:
            for name, access_token in last.items():
                found = record(store.find_token(make_token(name)))
                assert (found.access_token, found.refresh_token) == (
                    access_token,
                    f"1000.refresh.{name}",
                )


def rotate_slowly(url):
    database = Database(url)
    rotator(database).rotate_all(on_rows=lambda _: time.sleep(0.3))
    database.close()


def test_a_rotation_that_was_killed_goes_on_where_it_was(crowd, url, database):
    with opened(url, OLD) as store:
        store.save_tokens([login(f"user {number}") for number in range(2000)])
        tokens = stored(store)
    process = crowd.start(rotate_slowly, url)
    wait_until(lambda: count_keys(database, TABLE)[NEW_ID] > 0)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    done = count_keys(database, TABLE)[NEW_ID]
    assert 0 < done < 2000
    rotation = rotator(database).rotate_all()
    assert (rotation.current, rotation.rotated, rotation.failed) == (done, 2000 - done, [])
    with opened(url, NEW) as store:
        assert stored(store) == tokens


def test_one_unreadable_row_stops_nothing_and_is_named(url, database):
    with opened(url, OLD) as store:
        store.save_tokens([login(f"user {number}") for number in range(50)])
        bad = known(store.find_token(make_token("user 7")))["id"]
    run_sql(url, "update oauthtoken set sealed = 'AAAA' where id = :id", id=bad)
    rotation = rotator(database).rotate_all()
    assert (rotation.rotated, rotation.current) == (49, 0)
    (error,) = rotation.failed
    assert isinstance(error, DecryptionError)
    assert bad in str(error)
    assert rotation.forgotten == (), "the old key is still needed"
    with opened(url, BOTH) as store:
        assert len(list(store.iter_tokens(on_error="skip"))) == 49
        store.delete_token(bad)
    assert rotator(database).rotate_all().forgotten == (OLD_ID,)


def test_two_rows_of_one_login_do_not_stop_it(url, database):
    """A worker that was started without keys can have stored a nameless login twice."""
    with opened(url, "") as store:
        store.save_tokens([login(refresh_token="twice"), login("alice")])
    with opened(url, OLD, accept_readable=True) as store:
        store.save_token(login("bob"))
        store.save_token(login(refresh_token="once"))
    run_sql(
        url,
        "update oauthtoken set refresh_token = 'once', refresh_digest = :d, access_token = null, "
        "access_digest = null where user_name is null and refresh_token = 'twice'",
        d=digest("refresh_token", "once"),
    )
    rotation = rotator(database, OLD, accept_readable=True).seal_readable()
    assert rotation.rotated == 1
    assert "has the same login as another" in str(rotation.failed[0])


@pytest.fixture
def command(monkeypatch, capsys, sqlite_url):
    """Run the command line with keys; return its exit status, its data and its messages."""

    def command(keys, *arguments):
        monkeypatch.setattr("sys.argv", ["zoho-tokenstore", *arguments])
        monkeypatch.setenv("ZOHO_TOKENSTORE_URL", sqlite_url)
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", keys)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


def test_the_commands_generate_count_and_rotate(command, sqlite_url):
    status, key, _ = command("", "keys", "generate")
    assert status == 0
    assert Keyring.from_text(key)
    with opened(sqlite_url, OLD) as store:
        store.save_tokens([login("alice"), login("bob")])
    assert command(BOTH, "keys", "rotate", "--dry-run", "--json")[:2] == (
        0,
        '{"rotated": 2, "current": 0, "failed": 0}\n',
    )
    status, out, _ = command(BOTH, "keys", "status", "--json")
    assert json.loads(out) == {
        "keys": {OLD_ID: 2},
        "readable": 0,
        "missing": [],
        "unreadable": [],
    }
    status, out, messages = command(BOTH, "keys", "rotate")
    assert (status, out) == (0, "rotated: 2, current: 0, failed: 0\n")
    assert f"key {OLD_ID} is no longer used: remove it" in messages
    status, out, _ = command(NEW, "keys", "status")
    assert out == f"{NEW_ID}: 2 tokens (encrypts)\nunencrypted: 0 tokens\n"


def test_a_dry_run_does_not_turn_encryption_on(command, sqlite_url):
    with opened(sqlite_url, "") as store:
        store.save_token(login("alice"))
    status, out, _ = command(NEW, "keys", "encrypt", "--dry-run")
    assert (status, out) == (0, "rotated: 1, current: 0, failed: 0\n")
    status, out, _ = command(NEW, "list", "--json")
    assert status == 1
    assert "keys encrypt" in json.loads(out)[0]["error"]
    with opened(sqlite_url, "") as store:  # it needs no keys
        assert len(stored(store)) == 1


def test_the_commands_fail_when_something_cannot_be_read(command, sqlite_url):
    with opened(sqlite_url, OLD) as store:
        store.save_tokens([login("alice"), login("bob")])
        bad = known(store.find_token(make_token("bob")))["id"]
    run_sql(sqlite_url, "update oauthtoken set sealed = 'x' where id = :id", id=bad)
    status, out, messages = command(BOTH, "keys", "rotate")
    assert (status, out) == (1, "rotated: 1, current: 0, failed: 1\n")
    assert bad in messages
    status, out, _ = command(BOTH, "list", "--json")
    assert status == 1
    assert {row["user_name"]: "error" in row for row in json.loads(out)} == {
        "alice": False,
        "bob": True,
    }
    assert "1000.refresh" not in out
    other = Keyring.generate_key()
    status, out, messages = command(other, "keys", "rotate")
    assert (status, out) == (1, "")
    assert OLD_ID in messages
    assert command("", "keys", "rotate")[0] == 2
    assert command("nonsense", "keys", "rotate")[0] == 2


def test_the_first_key_of_a_table_is_listed_in_a_serializable_transaction(url, monkeypatch):
    """Otherwise two workers with different first keys could each make an index key."""
    if not url.startswith("postgresql"):
        pytest.skip("the isolation of a rotation differs on PostgreSQL only")
    with opened(url, "") as store:
        store.save_token(login("alice"))
    levels = []
    add_key = KeyTable.add_key

    def watched(table, session, *arguments):
        levels.append(session.scalar(text("SHOW transaction_isolation")))
        add_key(table, session, *arguments)

    monkeypatch.setattr(KeyTable, "add_key", watched)
    database = Database(url)
    rotator(database, OLD, accept_readable=True).seal_readable()
    rotator(database, BOTH).rotate_all()
    database.close()
    assert levels == ["serializable", "serializable"]
