"""``doctor``, run as users run it: it names what is wrong, says what to do, and changes nothing."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from sdks import Application, SDKException, new_token
from support import execute, known, login, make_token, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import DamagedRowError

KEY, OTHER = Keyring.generate_key(), Keyring.generate_key()


@pytest.fixture
def doctor(run_command):
    """Run the command; return its exit status, and each finding's verdict and words."""

    def doctor(url, keys=""):
        done = run_command(url, "doctor", "--json", KEYS=keys)
        findings = json.loads(done.out)
        found = {finding["check"]: (finding["verdict"], finding["found"]) for finding in findings}
        return done.status, found

    return doctor


def opened(url, keys=None):
    return SQLAlchemyTokenStore(url, keyring=Keyring.from_text(keys) if keys else None)


def test_an_encrypted_store_is_well(url, doctor):
    with opened(url, KEY) as store:
        store.save_tokens([login("alice"), login("bob")])
    status, found = doctor(url, KEY)
    assert status == 0
    assert {verdict for verdict, _ in found.values()} == {"ok"}, found
    assert found["tokens"] == ("ok", "2 stored")
    assert "contract" in found["SDK"][1]
    assert "head" in found["table"][1]


def test_readable_secrets_are_shown_with_what_to_do(url, doctor):
    with opened(url) as store:
        store.save_token(login("alice"))
    status, found = doctor(url)
    assert status == 0
    assert found["encryption"][0] == "warn"
    assert "secrets are stored unencrypted (1 token)" in found["encryption"][1]
    assert "keys generate" in found["encryption"][1]


def test_what_is_not_encrypted_with_the_first_key_yet_is_counted(url, doctor):
    with opened(url) as store:
        store.save_token(login("alice"))
    with opened(url, OTHER) as store:
        store.save_token(login("bob"))
    status, found = doctor(url, f"{KEY},{OTHER}")
    assert (status, found["encryption"][0]) == (0, "warn")
    assert "1 unencrypted token: run 'zoho-tokenstore keys encrypt'" in found["encryption"][1]
    assert found["tokens"][0] == "warn"
    assert "1 stored, 1 unencrypted token refused" in found["tokens"][1]


def test_what_is_encrypted_with_an_older_key_is_counted(url, doctor):
    with opened(url, OTHER) as store:
        store.save_token(login("bob"))
    status, found = doctor(url, f"{KEY},{OTHER}")
    assert (status, found["encryption"][0]) == (0, "warn")
    assert "1 token encrypted with older keys: run 'zoho-tokenstore" in found["encryption"][1]
    assert found["tokens"] == ("ok", "1 stored")


def test_keys_that_the_table_has_not_seen_are_not_added_to_it(url, doctor):
    with opened(url) as store:
        store.save_token(login("alice"))
    assert doctor(url, KEY)[0] == 0
    with opened(url) as store:  # it needs no keys
        assert len(stored(store)) == 1


def test_missing_keys_and_damaged_tokens_are_bad(url, doctor):
    with opened(url, KEY) as store:
        store.save_tokens([login("alice"), login("bob")])
        bad = known(store.find_token(make_token("bob")))["id"]
    for keys in ("", OTHER):
        status, found = doctor(url, keys)
        assert (status, found["encryption"][0]) == (1, "fail")
        assert KEY.partition(":")[0] in found["encryption"][1]
        assert "tokens" not in found, "nothing can be said of them"
    engine = create_engine(url)
    with engine.begin() as connection:
        change = "update oauthtoken set sealed = 'x' where id = :id"
        connection.execute(text(change), {"id": bad})
    engine.dispose()
    status, found = doctor(url, KEY)
    assert (status, found["tokens"][0]) == (1, "fail")
    assert f"1 token cannot be decrypted ({bad})" in found["tokens"][1]


def test_users_with_many_logins_are_named_those_with_the_most_first(url, doctor):
    def log_in(user, number):
        names = [f"{user}{n}" for n in range(number)]
        store.save_tokens(
            [login(user, client_id=name, refresh_token=name, access_token=name) for name in names]
        )

    with opened(url) as store:
        log_in("carol", 15)
        assert doctor(url)[1]["users"] == ("ok", "at most 15 refresh tokens per user")
        log_in("alice", 16)
        log_in("bob", 17)
    status, found = doctor(url)
    assert (status, found["users"][0]) == (0, "warn")
    assert "more than 15 refresh tokens (bob has 17, alice has 16):" in found["users"][1]


def test_a_missing_table_is_bad_and_is_not_made(url, doctor):
    for _ in range(2):
        status, found = doctor(url)
        assert status == 1
        verdict, words = list(found.values())[-1]
        assert verdict == "fail"
        assert "zoho-tokenstore upgrade" in words


def test_a_database_that_cannot_be_reached_is_bad(doctor):
    status, found = doctor("postgresql://nobody@127.0.0.1:1/none")
    assert (status, found["database"][0]) == (1, "fail")


def test_a_file_that_others_can_read_is_a_warning(sqlite_url, doctor):
    with opened(sqlite_url, KEY) as store:
        store.save_token(login("alice"))
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o644)
    status, found = doctor(sqlite_url, KEY)
    assert (status, found["file"][0]) == (0, "warn")
    assert "chmod 600" in found["file"][1]


def test_a_login_that_zoho_has_refused_is_named_until_the_user_has_logged_in_again(
    sqlite_url, doctor, zoho, tmp_path
):
    with opened(sqlite_url) as store:
        application = Application(zoho, store, tmp_path)
        zoho.accounts.lifetime = 4.0
        application.log_in("alice@example.com")
        (row,) = stored(store)
        zoho.refuse(row["refresh_token"])
        with pytest.raises(SDKException):
            application.visit(new_token(refresh_token=row["refresh_token"]), "alice@example.com")
        status, found = doctor(sqlite_url)
        assert (status, found["tokens"][0]) == (0, "warn")
        assert f"1 refused by Zoho ({row['id']})" in found["tokens"][1]
        zoho.accounts.lifetime = 3600.0
        application.log_in("alice@example.com")
    assert doctor(sqlite_url)[1]["tokens"] == ("ok", "1 stored")


def test_a_clock_that_is_wrong_is_a_warning(sqlite_url, doctor, monkeypatch):
    with opened(sqlite_url, KEY) as store:
        store.save_token(login("alice"))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 600)
    status, found = doctor(sqlite_url, KEY)
    assert (status, found["clock"][0]) == (0, "warn")
    assert "+600 s" in found["clock"][1]


def test_the_database_is_asked_for_what_a_worker_needs(url, doctor):
    with opened(url, KEY) as store:
        store.save_token(login("alice"))
    _, found = doctor(url, KEY)
    assert "driver" in found["database"][1]
    assert " ms" in found["round trip"][1]
    assert "pool" not in found
    assert found["permissions"] == ("ok", "may read and write")
    assert found.get("journal", ("ok", "wal")) == ("ok", "wal")


def test_a_file_that_may_not_be_written_fails(sqlite_url, doctor):
    with opened(sqlite_url, KEY) as store:
        store.save_token(login("alice"))
    path = sqlite_url.removeprefix("sqlite:///")
    status, found = doctor(f"sqlite:///file:{path}?mode=ro&uri=true", KEY)
    assert (status, found["permissions"][0]) == (1, "fail")
    assert "read-only" in found["permissions"][1]


def test_more_refresh_tokens_of_one_user_than_fifteen_are_a_warning(url, doctor):
    with opened(url, KEY) as store:
        many = [
            login("alice", client_id=f"1000.{n}", refresh_token=f"1000.{n}", access_token=f"a{n}")
            for n in range(16)
        ]
        store.save_tokens(many[:15])
        assert doctor(url, KEY)[1]["users"][0] == "ok"
        store.save_tokens(many)
    status, found = doctor(url, KEY)
    assert (status, found["users"][0]) == (0, "warn")
    assert "alice has 16" in found["users"][1]


def change(url, statement):
    execute(url, text(statement))


def test_an_applications_own_columns_and_indexes_are_no_failure(url, doctor):
    with opened(url, KEY) as store:
        store.save_token(login("alice"))
        change(url, "ALTER TABLE oauthtoken ADD COLUMN tenant INTEGER")
        change(url, "CREATE INDEX ix_of_application ON oauthtoken (tenant)")
        status, found = doctor(url, KEY)
        assert (status, found["table"][0]) == (0, "ok")
        assert "column tenant" in found["table"][1]
        assert "index ix_of_application" in found["table"][1]
        store.save_token(login("bob"))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE UNIQUE INDEX ux_of_application ON oauthtoken (updated_at)",
        "DROP INDEX ix_oauthtoken_user_digest",
    ],
)
def test_what_the_store_cannot_work_with_is_a_failure(sqlite_url, doctor, statement):
    with opened(sqlite_url, KEY) as store:
        store.save_token(login("alice"))
    change(sqlite_url, statement)
    status, found = doctor(sqlite_url, KEY)
    assert (status, found["table"][0]) == (1, "fail")


def test_a_column_that_must_not_be_null_is_a_failure(server_url, doctor):
    with opened(server_url, KEY) as store:
        assert store.get_tokens() == []
    change(server_url, "ALTER TABLE oauthtoken ADD COLUMN tenant INTEGER NOT NULL")
    status, found = doctor(server_url, KEY)
    assert (status, found["table"][0]) == (1, "fail")
    assert "tenant" in found["table"][1]


DAMAGE = {
    "expiry": "'tomorrow'",
    "refresh_token": "x'ff00'",
    "user_name": "x'ff00'",
    "id": "x'ff00'",
}


@pytest.mark.parametrize("column", DAMAGE)
def test_one_damaged_token_is_named_and_the_others_are_shown(
    sqlite_url, doctor, run_command, column
):
    with opened(sqlite_url) as store:
        store.save_tokens([login("alice"), login("bob")])
        bad = known(store.find_token(make_token("bob")))["id"]
        change(sqlite_url, f"UPDATE oauthtoken SET {column} = {DAMAGE[column]} WHERE id = '{bad}'")
        status, found = doctor(sqlite_url)
        assert (status, found["tokens"][0]) == (1, "fail")
        assert "1 stored, 1 damaged: token" in found["tokens"][1]
        assert f"{column} has a value of the wrong type" in found["tokens"][1]
        with pytest.raises(SDKException) as caught:
            store.find_token(make_token("bob"))
        assert isinstance(caught.value.cause, DamagedRowError)
        assert known(store.find_token(make_token("alice")))["user_name"] == "alice"
    listed = run_command(sqlite_url, "list")
    assert "alice" in listed.out
    assert "wrong type" in listed.out + listed.err


def test_a_damaged_token_is_not_deleted_as_unreadable(sqlite_url, run_command):
    with opened(sqlite_url) as store:
        store.save_tokens([login("alice"), login("bob")])
    change(sqlite_url, "UPDATE oauthtoken SET expiry = 'tomorrow' WHERE user_name = 'bob'")
    settings = {"KEYS": KEY, "ACCEPT_READABLE": "1"}
    done = run_command(sqlite_url, "delete", "--unreadable", "--yes", **settings)
    assert done.status == 0, done.err
    assert execute(sqlite_url, text("SELECT count(*) FROM oauthtoken")) == [(2,)]


def test_a_damaged_seal_is_one_of_our_errors(sqlite_url, doctor):
    with opened(sqlite_url, KEY) as store:
        store.save_token(login("alice"))
    change(sqlite_url, "UPDATE oauthtoken SET sealed = x'ff00'")
    assert "1 token cannot be decrypted" in doctor(sqlite_url, KEY)[1]["tokens"][1]


@pytest.mark.parametrize("column", ["at", "process", "host", "user_name", "entry_id"])
def test_a_damaged_audit_entry_is_named_and_the_others_are_shown(
    sqlite_url, doctor, run_command, column
):
    with opened(sqlite_url, KEY) as store:
        store.save_tokens([login("alice"), login("bob")])
    assert doctor(sqlite_url, KEY)[1]["audit"] == ("ok", "readable")
    change(sqlite_url, f"UPDATE oauthtoken_audit SET {column} = x'ff00' WHERE user_name = 'bob'")
    status, found = doctor(sqlite_url, KEY)
    assert (status, found["audit"][0]) == (0, "warn")
    assert "1 damaged entry (" in found["audit"][1]
    lines = run_command(sqlite_url, "audit", "--json", KEYS=KEY).out.splitlines()
    entries = list(map(json.loads, lines))
    assert {entry["user_name"] for entry in entries} >= {"alice"}
    assert len(entries) == 2
    (damaged,) = [entry for entry in entries if entry["user_name"] != "alice"]
    assert column in ("at", "entry_id") or damaged[column] == "(damaged)"
    at = datetime.fromisoformat(damaged["at"])  # that of the entry's id, if it is damaged
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_logins_without_a_refresh_token_are_named(url, doctor):
    with opened(url, KEY) as store:
        store.save_tokens([login("alice"), login("bob", refresh_token=None)])
        bad = known(store.find_token(make_token("bob")))["id"]
    status, found = doctor(url, KEY)
    assert (status, found["tokens"][0]) == (0, "warn")
    assert f"2 stored, 1 without a refresh token ({bad})" in found["tokens"][1]


def test_keys_that_encrypt_nothing_are_named(url, doctor):
    with opened(url, KEY) as store:
        store.save_token(login("alice"))
    status, found = doctor(url, f"{KEY},{OTHER}")
    assert (status, found["encryption"][0]) == (0, "ok")
    assert f"encrypt nothing here ({OTHER.partition(':')[0]})" in found["encryption"][1]


def test_missing_tables_are_named_together(url, doctor):
    with opened(url, KEY) as store:
        store.save_token(login("alice"))
    change(url, "DROP TABLE oauthtoken_lease")
    assert "table 'oauthtoken_lease' is missing" in doctor(url, KEY)[1]["table"][1]
    change(url, "DROP TABLE oauthtoken_audit")
    words = doctor(url, KEY)[1]["table"][1]
    assert "tables 'oauthtoken_lease', 'oauthtoken_audit' are missing" in words
    assert "zoho-tokenstore upgrade" in words


def test_a_read_only_database_is_named_at_once(open_database, doctor, run_command):
    url = open_database("postgresql")
    with opened(url, KEY) as store:
        store.save_token(login("alice"))
    standby = make_url(url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    address = standby.render_as_string(hide_password=False)
    began = time.monotonic()
    status, found = doctor(address, KEY)
    assert (status, found["permissions"][0]) == (1, "fail")
    assert "is read-only: connect to the primary server" in found["permissions"][1]
    done = run_command(address, "delete", "--all", "--yes")
    assert "is read-only" in done.err
    assert time.monotonic() - began < 10
