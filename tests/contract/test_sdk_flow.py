"""The real, unpatched SDK on each store, with Zoho played by LocalZoho."""

import logging
import sqlite3
import time

import pytest

import sdks
from sdks import (
    NAMES_USERS,
    REVOKES,
    SDK,
    Application,
    OAuthToken,
    SDKException,
    UserSignature,
    new_token,
)
from support import record, stored
from zoho_tokenstore import SQLAlchemyTokenStore

STORES = ("list", "encrypted", "sqlite", "postgresql", "mariadb")
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def application(zoho, store, tmp_path):
    return Application(zoho, store, tmp_path)


def logins_and_refreshes(zoho):
    return zoho.count("grant"), zoho.count("refresh")


def test_a_first_login_is_stored_under_the_users_name(application, zoho, store):
    token = application.log_in(ALICE)
    (row,) = stored(store)
    assert row.get("user_name") == sdks.user_name(ALICE)
    assert row["id"] == record(token).id
    assert {"refresh_token", "access_token", "grant_token", "expiry"} <= row.keys()
    assert application.read_record() == ALICE
    assert logins_and_refreshes(zoho) == (1, 0)


@pytest.mark.skipif(SDK.contract != "C", reason="this SDK's tokens name no user")
@pytest.mark.parametrize("given", ["grant_token", "refresh_token"])
def test_a_named_user_who_is_not_stored_logs_in(application, zoho, store, given):
    value = zoho.grant(ALICE)
    if given == "refresh_token":
        value = zoho.accounts.exchange({"code": value, "client_id": "id"})[given]
    token = new_token(**{given: value})
    token.set_user_signature(UserSignature(sdks.user_name(ALICE) or ALICE))
    assert application.visit(token, ALICE) == application.read_record() == ALICE
    (row,) = stored(store)
    assert row["user_name"] == record(token).user_name


@pytest.mark.parametrize("way", sdks.same_user_again())
def test_a_new_process_goes_on_without_asking_zoho(application, zoho, store, way):
    application.log_in(ALICE)
    (row,) = stored(store)
    sdks.forget()
    again = sdks.same_user_again(ALICE)[way](row)
    assert application.visit(again, ALICE) == application.read_record() == ALICE
    assert logins_and_refreshes(zoho) == (1, 0)
    assert stored(store) == [row]


@pytest.mark.parametrize("way", sdks.same_user_again())
def test_a_new_process_refreshes_a_row_that_has_expired(application, zoho, store, way):
    zoho.accounts.lifetime = 5.0  # the SDK refreshes 5 s before the end: at once
    application.log_in(ALICE)
    zoho.accounts.lifetime = 3600.0
    (before,) = stored(store)
    refreshes = zoho.count("refresh")
    sdks.forget()
    again = sdks.same_user_again(ALICE)[way](before)
    assert application.visit(again, ALICE) == application.read_record() == ALICE
    (after,) = stored(store)
    assert zoho.count("refresh") == refreshes + 1
    assert after["access_token"] != before["access_token"]
    assert after["expiry"] > time.time() * 1000 + 3_000_000
    assert after["refresh_token"] == before["refresh_token"]
    assert (after["id"], after.get("user_name")) == (before["id"], before.get("user_name"))


def test_a_process_refreshes_a_token_that_expires_while_it_runs(application, zoho, store):
    zoho.accounts.lifetime = 5.0
    token = application.log_in(ALICE)
    before, refreshes = stored(store), zoho.count("refresh")
    zoho.accounts.lifetime = 3600.0
    assert application.read_record() == application.read_record() == ALICE
    (after,) = stored(store)
    assert zoho.count("refresh") == refreshes + 1
    assert after["access_token"] != before[0]["access_token"]
    assert after["id"] == before[0]["id"] == record(token).id


def test_what_another_process_has_refreshed_is_used_at_once(application, zoho, store):
    application.log_in(ALICE)
    (row,) = stored(store)
    sdks.forget()
    assert application.visit(new_token(refresh_token=row["refresh_token"]), ALICE) == ALICE
    refreshed = zoho.accounts.refresh(
        {"refresh_token": row["refresh_token"], "client_id": row["client_id"]}
    )
    other = store.find_token_by_id(row["id"])
    sdks.SETTERS["access_token"](other, refreshed["access_token"])
    store.save_token(other)
    zoho.refuse(row["access_token"])
    assert application.read_record() == ALICE
    assert logins_and_refreshes(zoho) == (1, 0)


def test_twelve_users_are_each_served_with_their_own_token(application, zoho, store):
    emails = [f"user{number}@example.com" for number in range(12)]
    tokens = {email: application.log_in(email) for email in emails}
    rows = {row["id"]: row for row in stored(store)}
    assert len(rows) == 12
    for email, token in tokens.items():
        row = rows[record(token).id]
        for way in sdks.same_user_again(email).values():
            assert application.visit(way(row), email) == email
    assert logins_and_refreshes(zoho) == (12, 0)


@pytest.mark.skipif(not NAMES_USERS, reason="this SDK does not ask Zoho for the user's name")
def test_a_login_without_find_user_is_stored_without_a_name(application, zoho, store):
    application.log_in(ALICE, find_user=False)
    (row,) = stored(store)
    assert "user_name" not in row
    application.initialize(new_token(refresh_token=row["refresh_token"]))
    assert application.read_record() == ALICE
    assert len(stored(store)) == 1
    assert zoho.count("refresh") == 0


def test_remove_deletes_the_users_row_and_no_other(application, store):
    application.log_in(BOB)
    token = application.log_in(ALICE)
    assert token.remove() is True
    (row,) = stored(store)
    assert row.get("user_name") == sdks.user_name(BOB)


@pytest.mark.parametrize("way", sdks.same_user_again())
def test_remove_after_coming_back_deletes_the_row(application, store, way):
    application.log_in(ALICE)
    (row,) = stored(store)
    sdks.forget()
    token = sdks.same_user_again(ALICE)[way](row)
    assert application.visit(token, ALICE) == ALICE
    assert token.remove() is True
    assert stored(store) == []


def test_remove_of_a_token_that_is_not_stored_deletes_nothing(application, store):
    application.log_in(ALICE)
    other = new_token(refresh_token="other")
    # Contract C passes nothing but the id: that there is none is an error, which the SDK reports.
    assert other.remove() is (SDK.contract != "C")
    assert len(stored(store)) == 1


@pytest.mark.skipif(SDK.contract != "C", reason="this SDK has no revoke()")
def test_revoke_reaches_zoho_with_that_users_refresh_token(application, zoho, store):
    bob = application.log_in(BOB)
    token = application.log_in(ALICE)
    access_token = store.find_token_by_id(token.get_id()).get_access_token()
    if not REVOKES:
        with pytest.raises(SDKException, match="MANDATORY"):
            token.revoke(token.get_id())
        assert zoho.count("revoke") == 0
        return
    assert token.revoke(token.get_id()) is True
    assert zoho.count("revoke") == 1
    assert zoho.accounts.account_of(access_token) is None
    assert application.visit(bob, BOB) == BOB
    assert len(stored(store)) == 2, "the SDK leaves the row"


@pytest.mark.skipif(SDK.contract == "A", reason="this SDK does not look tokens up by id")
def test_an_unknown_id_is_the_sdks_own_error(application, store):
    with pytest.raises(SDKException):
        application.visit(OAuthToken(id="unknown"), ALICE)
    assert stored(store) == []


def test_every_token_of_get_tokens_can_be_initialised_with(application, zoho, store):
    emails = {record(application.log_in(email)).id: email for email in (ALICE, BOB)}
    tokens = store.get_tokens()
    assert len(tokens) == 2
    for token in tokens:
        email = emails[record(token).id]
        assert application.visit(token, email) == email
    assert logins_and_refreshes(zoho) == (2, 0)


def test_a_failing_refresh_leaves_the_stored_token_alone(application, zoho, store):
    zoho.accounts.lifetime = 5.0
    application.log_in(ALICE)
    (before,) = stored(store)
    zoho.refuse(before["refresh_token"])
    with pytest.raises(SDKException):
        application.visit(new_token(refresh_token=before["refresh_token"]), ALICE)
    assert stored(store) == [before]


def test_a_user_who_consents_again_is_logged_in_again(application, zoho, store):
    application.log_in(ALICE)
    (before,) = stored(store)
    zoho.refuse(before["refresh_token"])
    zoho.refuse(before["access_token"])
    application.log_in(ALICE)
    rows = stored(store)
    if sdks.user_name(ALICE):
        (after,) = rows
        assert after["id"] == before["id"]
        assert after["refresh_token"] != before["refresh_token"]
    else:
        assert len(rows) == 2, "nothing says that it is the same user"
    assert application.read_record() == ALICE
    assert zoho.count("grant") == 2


@pytest.mark.skipif(not NAMES_USERS, reason="this SDK does not ask Zoho for the user's name")
def test_an_access_token_alone_is_stored_under_its_users_name(application, store):
    application.log_in(ALICE)
    (row,) = stored(store)
    store.delete_tokens()
    application.initialize(OAuthToken(access_token=row["access_token"]))
    (pasted,) = stored(store)
    assert pasted["user_name"] == sdks.user_name(ALICE)
    application.initialize(sdks.same_user_again(ALICE)["user"](pasted))
    assert application.read_record() == ALICE


def test_a_failing_save_is_an_error_and_no_user_gets_anothers_token(
    zoho, tmp_path, caplog, monkeypatch
):
    database = tmp_path / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///{database}?timeout=0.1", refresh=None) as store:
        application = Application(zoho, store, tmp_path)
        application.log_in(ALICE)
        before = stored(store)
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        bob = new_token(grant_token=zoho.grant(BOB))
        if NAMES_USERS:  # they log the SDKException themselves, with a broken format string
            monkeypatch.setattr(logging.getLogger("SDKLogger"), "propagate", False)
            application.initialize(bob, BOB)
        else:
            with pytest.raises(SDKException, match="TOKEN_STORE"):
                application.visit(bob, BOB)
        assert "save_token failed: " in caplog.text
        assert record(bob).access_token not in caplog.text
        assert stored(store) == before
        other.execute("ROLLBACK")
        other.close()
        assert application.visit(bob, BOB) == BOB
        sdks.save(store, bob, BOB)  # contract B goes on with the token that it has, and is silent
        assert {row.get("user_name") for row in stored(store)} == {
            sdks.user_name(ALICE),
            sdks.user_name(BOB),
        }
