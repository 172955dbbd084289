"""The keys of a table: added with the first row that they seal, lost, taken out, made anew."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import create_engine, event, select, text

from sdks import SETTERS, SDKException
from support import known, login, make_token, record, sdk_error, stored, wait_until
from zoho_tokenstore import Keyring
from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    DecryptionError,
    IndexKeyError,
    RetiredKeyError,
)
from zoho_tokenstore.schema.models import OAuthTokenRow, companion_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.batches import PAGE_SIZE
from zoho_tokenstore.storage.rotation import KeyRotation, count_keys
from zoho_tokenstore.storage.tables import TokenTables

TABLE = OAuthTokenRow.__table__
KEYS = companion_table(TABLE, "key")
OLD, NEW = "old:" + "A" * 43, "new:" + "B" * 42 + "A"
BOTH = f"{NEW},{OLD}"


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def run(url):
    engine = create_engine(url)

    def run(statement, **parameters):
        with engine.begin() as connection:
            return connection.execute(text(statement), parameters)

    yield run
    engine.dispose()


@pytest.fixture
def listed(database):
    return lambda: database.read(
        lambda session: session.scalars(select(KEYS.c.key_id).order_by(KEYS.c.key_id)).all()
    )


def rotate(database, keys=BOTH):
    return KeyRotation(TokenTables(database, TokenSchema(), Keyring.from_text(keys))).rotate_all()


def test_looking_adds_no_key(opened, listed, url, run_command):
    plain = opened()
    plain.save_token(login("alice"))
    for store in (opened(OLD), opened(NEW, accept_readable=True)):
        for name in ("alice", "nobody"):
            with suppress(SDKException):
                store.find_token(make_token(name))
                store.find_token(make_token(refresh_token=name))
    for command in (["list"], ["stats"], ["doctor"], ["keys", "status"], ["keys", "rotate"]):
        run_command(url, *command, KEYS=OLD)
    assert listed() == []
    plain.save_token(login("bob"))
    assert len(stored(opened())) == 2


def test_a_key_is_added_with_the_first_row_that_it_seals(opened, listed):
    store = opened(OLD)
    store.save_token(login("alice"))
    assert listed() == ["old"]
    opened(f"{NEW},{OLD}").save_token(login("bob"))
    assert listed() == ["new", "old"]


def test_a_save_that_fails_adds_no_key(opened, listed):
    opened().save_tokens([login("alice", client_id=f"1000.{n}") for n in range(2)])
    store = opened(OLD, accept_readable=True)
    with sdk_error(AmbiguousTokenError):
        store.save_token(make_token("alice", access_token="a"))
    assert listed() == []
    store.save_token(login("bob"))
    assert listed() == ["old"]


def test_a_key_that_seals_nothing_is_forgotten_and_no_other(opened, listed, url, run_command):
    opened(OLD).save_token(login("alice"))
    done = run_command(url, "keys", "forget", "old", KEYS=OLD)
    assert (done.status, listed()) == (2, ["old"])
    assert "keys rotate" in done.err
    assert run_command(url, "keys", "forget", "other", KEYS=OLD).status == 2
    opened(BOTH).save_token(login("bob"))
    opened(BOTH).delete_token(known(opened(BOTH).find_token(make_token("alice")))["id"])
    assert run_command(url, "keys", "forget", "old").status == 0
    assert listed() == ["new"]
    opened(NEW).delete_tokens()
    assert run_command(url, "keys", "forget", "new").status == 0
    assert listed() == []
    opened().save_token(login("alice"))


def test_a_running_worker_saves_under_an_index_key_that_was_made_anew(
    opened, url, run, run_command
):
    opened(OLD).save_token(login("alice"))
    worker, reader = opened(BOTH), opened(BOTH)
    worker.save_token(login("bob"))
    assert reader.find_token(make_token("alice")) is not None
    run("DELETE FROM oauthtoken_key")
    assert run_command(url, "keys", "rotate", KEYS=BOTH).status == 0
    worker.save_token(login("carol"))
    for store in (worker, reader, opened(NEW)):
        for name in ("alice", "bob", "carol"):
            found = store.find_token(make_token(refresh_token=record(login(name)).refresh_token))
            assert record(found).user_name == name


def test_an_index_key_that_another_thread_learns_meanwhile_is_used(opened, url, run, run_command):
    opened(OLD).save_tokens([login("alice"), login("bob")])
    reader = opened(BOTH)
    tokens = [known(reader.find_token(make_token(n)))["refresh_token"] for n in ("alice", "bob")]
    assert reader.find_token(make_token(refresh_token=tokens[0])) is not None
    run("DELETE FROM oauthtoken_key")
    assert run_command(url, "keys", "rotate", KEYS=BOTH).status == 0

    def look_up_bob(*_):
        if len(tokens) > 1:
            found = reader.find_token(make_token(refresh_token=tokens.pop()))
            assert known(found)["user_name"] == "bob"

    engine = reader._database._connections.engines.autocommit
    event.listen(engine, "before_cursor_execute", look_up_bob)
    found = reader.find_token(make_token(refresh_token=tokens[0]))
    assert (known(found)["user_name"], len(tokens)) == ("alice", 1)


@pytest.mark.parametrize("is_new", [True, False])
def test_no_save_mixes_an_index_key_with_one_that_another_thread_learns_meanwhile(
    opened, url, run, run_command, monkeypatch, is_new
):
    opened(OLD).save_token(login("alice"))
    worker = opened(BOTH)
    worker.save_token(login("bob"))
    token = login("carol") if is_new else worker.find_token(make_token("bob"))
    SETTERS["access_token"](token, "1000.new")
    run("DELETE FROM oauthtoken_key")
    assert run_command(url, "keys", "rotate", KEYS=BOTH).status == 0
    index = worker._opened.tables.tokens.codec.index
    made = index.digest

    def digest(*values):
        monkeypatch.undo()
        before = made(*values)
        with ThreadPoolExecutor(1) as threads:
            wanted = make_token(refresh_token=known(login("alice"))["refresh_token"])
            assert threads.submit(worker.find_token, wanted).result() is not None
        return before

    monkeypatch.setattr(index, "digest", digest)
    worker.save_token(token)
    found = opened(BOTH).find_token(make_token(access_token="1000.new"))
    assert known(found)["user_name"] == ("carol" if is_new else "bob")


def test_readers_learn_the_index_key_from_the_first_writer(opened):
    reader = opened(f"{NEW},{OLD}")
    assert reader.find_token(make_token(refresh_token="shared")) is None
    opened(f"{OLD},{NEW}").save_token(login(refresh_token="shared"))
    assert reader.find_token(make_token(refresh_token="shared")) is not None


def test_a_lost_key_makes_its_own_rows_unreadable_only(opened):
    opened(OLD).save_tokens([login("alice"), login("bob", client_id="1000.old")])
    opened(BOTH).save_tokens([login("bob", client_id="1000.new"), login("carol")])
    store = opened(NEW)
    for name in ("bob", "carol"):
        token = store.find_token(make_token(name, client_id="1000.new" if name == "bob" else None))
        SETTERS["access_token"](token, f"new {name}")
        store.save_token(token)
    store.save_token(login("bob", client_id="1000.third"))
    store.save_token(login("dave"))
    for call in (
        lambda: store.find_token(make_token("alice")),
        lambda: store.find_token(make_token("bob", client_id="1000.old")),
        lambda: store.save_token(login("alice")),
        store.get_tokens,
    ):
        with sdk_error(DecryptionError, "key 'old'"):
            call()
    served = [known(token) for token in store.iter_tokens(on_error="skip")]
    assert sorted((row["user_name"], row["client_id"]) for row in served) == [
        ("bob", "1000.new"),
        ("bob", "1000.third"),
        ("carol", "1000.CLIENT"),
        ("dave", "1000.CLIENT"),
    ]
    assert len(stored(opened(BOTH))) == 6


def test_what_a_lost_key_sealed_is_named_and_removed(opened, url, run_command):
    opened(OLD).save_tokens([login("alice"), login("bob")])
    lost = sorted(row["id"] for row in stored(opened(OLD)))
    opened(BOTH).save_token(login("carol"))
    rows = json.loads(run_command(url, "list", "--json", KEYS=NEW).out)
    errors = {row["user_name"]: row["error"] for row in rows if "error" in row}
    assert list(errors) == ["alice", "bob"] or list(errors) == ["bob", "alice"]
    assert all("'old'" in error for error in errors.values())
    status = json.loads(run_command(url, "keys", "status", "--json", KEYS=NEW).out)
    assert status["missing"] == ["old"]
    assert sorted(status["unreadable"]) == lost
    found = {f["check"]: f for f in json.loads(run_command(url, "doctor", "--json", KEYS=NEW).out)}
    assert found["tokens"]["verdict"] == "fail"
    assert all(key in found["tokens"]["found"] for key in lost)
    assert run_command(url, "delete", "--unreadable", "--yes").status == 2, "without keys"
    unanswered = run_command(url, "delete", "--unreadable", KEYS=NEW)
    assert (unanswered.status, "2 tokens would be deleted" in unanswered.err) == (2, True)
    done = run_command(url, "delete", "--unreadable", "--yes", KEYS=NEW)
    assert (done.status, done.out) == (0, "deleted: 2\n")
    assert all(key in done.err for key in lost)
    assert [row["user_name"] for row in stored(opened(NEW))] == ["carol"]
    opened(NEW).save_token(login("alice"))


def test_all_that_a_lost_key_sealed_is_removed_page_by_page(opened, url, run_command):
    opened(OLD).save_tokens([login(f"user {number}") for number in range(PAGE_SIZE + 2)])
    opened(BOTH).save_token(login("carol"))
    done = run_command(url, "delete", "--unreadable", "--yes", KEYS=NEW)
    assert (done.status, done.out) == (0, f"deleted: {PAGE_SIZE + 2}\n")
    assert [row["user_name"] for row in stored(opened(NEW))] == ["carol"]


def test_readable_rows_are_not_deleted_as_unreadable(opened, url, run_command):
    opened().save_token(login("alice"))
    done = run_command(url, "delete", "--unreadable", "--yes", KEYS=OLD)
    assert (done.status, done.out) == (0, "deleted: 0\n")
    assert len(stored(opened())) == 1


def test_an_empty_key_table_is_told_and_mended_by_a_rotation(opened, run, url, run_command):
    store = opened(OLD)
    store.save_tokens([login("alice"), login(refresh_token="nameless")])
    run("delete from oauthtoken_key")
    for keys in (OLD, ""):
        with sdk_error(IndexKeyError, "'oauthtoken_key' is empty, but there are encrypted"):
            opened(keys).find_token(make_token("alice"))
    for token in (login("bob"), store.find_token(make_token("alice"))):
        with sdk_error(IndexKeyError):
            store.save_token(token)
    done = run_command(url, "doctor", KEYS=OLD)
    assert done.status == 1
    assert "oauthtoken_key" in done.out
    keys = f"{NEW},{OLD}"
    done = run_command(url, "keys", "rotate", KEYS=keys)
    assert (done.status, done.out) == (0, "rotated: 2, current: 0, failed: 0\n")
    assert "restart all processes" in done.err
    again = opened(keys)
    assert again.find_token(make_token(refresh_token="nameless")) is not None
    again.save_token(login(refresh_token="nameless", access_token="newer"))
    assert len(stored(again)) == 2


def test_a_key_that_was_rotated_out_seals_nothing_any_more(opened, database, listed):
    before = opened(OLD)
    before.save_tokens([login("alice"), login("bob")])
    alice = before.find_token(make_token("alice"))
    report = rotate(database)
    assert (report.rotated, report.forgotten, listed()) == (2, ("old",), ["new"])
    for _ in range(2):
        for token in (alice, login("alice"), login("carol"), make_token(grant_token="g")):
            with sdk_error(RetiredKeyError, "restart this process"):
                before.save_token(token)
        with pytest.raises(RetiredKeyError):
            before.save_tokens([login("carol"), login("dave")])
    appended = opened(f"{OLD},{NEW}")
    assert len(stored(appended)) == 2
    assert len(stored(opened(NEW))) == 2
    assert listed() == ["new"]


def test_a_first_row_that_comes_in_between_is_not_taken_for_a_lost_key(opened):
    reader, writer = opened(OLD), opened(OLD)
    reader.find_token(make_token("the table is there now"))
    saved = []

    def save_once(_connection, _cursor, statement, *_):
        if KEYS.name in statement and not saved:
            saved.append(login(refresh_token="shared"))
            writer.save_token(saved[0])

    engine = reader._database._connections.engines.autocommit
    event.listen(engine, "after_cursor_execute", save_once)
    reader.find_token(make_token(refresh_token="shared"))
    assert saved
    assert reader.find_token(make_token(refresh_token="shared")) is not None


def test_a_worker_with_both_keys_is_told_to_restart(opened, database):
    before = opened(f"{OLD},{NEW}")
    before.save_token(login("alice"))
    rotate(database)
    token = before.find_token(make_token("alice"))
    for saved in (token, login("bob")):
        with sdk_error(RetiredKeyError, "restart this process"):
            before.save_token(saved)
    assert count_keys(database, TABLE) == {"new": 1}


def test_a_row_that_was_being_sealed_when_its_key_was_taken_out_is_rotated(
    opened, database, url, run, listed
):
    opened(OLD).save_tokens([login("alice"), login("late")])
    engine = create_engine(url)
    with engine.connect() as connection:
        late = connection.execute(select(TABLE).where(TABLE.c.user_name == "late")).one()._asdict()
    run("delete from oauthtoken where user_name = 'late'")
    opened(BOTH).save_token(login("carol"))  # the new key is in the table: nothing waits for that
    reports = []
    thread = threading.Thread(target=lambda: reports.append(rotate(database)))
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), late)
        thread.start()
        if connection.dialect.name != "sqlite":  # there, a rotation waits before it has begun
            wait_until(lambda: listed() == ["new"])
    thread.join()
    engine.dispose()
    # On SQLite the row can also come so late that its key is still needed, and still listed.
    assert set(count_keys(database, TABLE)) <= set(listed())
    if not url.startswith("sqlite"):
        assert count_keys(database, TABLE) == {"new": 3}
        assert reports[0].rotated == 2
    assert record(opened(BOTH).find_token(make_token("late"))).user_name == "late"
