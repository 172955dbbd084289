"""What contracts A and B ask for, who name the user in the call; contract C's users work too."""

import time

import pytest

from sdks import SDK, UserSignature
from support import LOGIN, expires_in, known, login, make_token, record, sdk_error, stored
from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    IdConflictError,
    TokenTypeError,
    UnknownIdError,
)

STORES = ("list", "encrypted", "sqlite", "postgresql", "mariadb")
ALICE, BOB = "alice@example.com", "bob@example.com"
CLIENT = {"client_id": LOGIN["client_id"], "client_secret": LOGIN["client_secret"]}


def ask(store, token, name=ALICE):
    return store.get_token(UserSignature(name), token)


def save(store, token, name=ALICE):
    store.save_token(UserSignature(name), token)
    return token


def test_a_token_is_saved_as_the_named_users(store):
    token = save(store, login())
    (row,) = stored(store)
    assert row["user_name"] == record(token).user_name == ALICE
    assert row["id"] == record(token).id


def test_the_user_in_the_call_counts_not_the_one_in_the_token(store):
    save(store, login(BOB))
    assert [row["user_name"] for row in stored(store)] == [ALICE]
    assert record(ask(store, make_token(BOB, **CLIENT))).user_name == ALICE


def test_it_is_the_row_that_contract_c_finds_by_the_users_name(store):
    saved = save(store, login())
    assert record(store.find_token(make_token(ALICE))).id == record(saved).id
    assert known(ask(store, make_token(**CLIENT))) == known(saved)


def test_the_token_handed_back_is_a_new_one_so_that_the_sdk_keeps_asking(store):
    save(store, login())
    wanted = make_token(**CLIENT, refresh_token=LOGIN["refresh_token"])
    found = ask(store, wanted)
    assert found is not wanted
    assert record(found).access_token == LOGIN["access_token"]
    assert record(wanted).access_token is record(wanted).expiry is record(wanted).id is None
    assert record(wanted).user_name == ALICE, "so that remove() finds the row"


def test_a_user_who_is_not_stored_is_not_found(store):
    save(store, login())
    wanted = make_token(**CLIENT, refresh_token=LOGIN["refresh_token"])
    before = known(wanted)
    assert ask(store, wanted, BOB) is None
    assert known(wanted) == before
    assert ask(store, make_token(client_id="another client")) is None


def test_a_new_refresh_token_of_the_same_user_and_client_replaces_the_old_one(store):
    first = save(store, login())
    second = save(store, login(refresh_token="rotated"))
    (row,) = stored(store)
    assert row["refresh_token"] == "rotated"
    assert record(first).id == record(second).id


def test_the_same_user_of_another_client_has_a_row_of_their_own(store):
    save(store, login(client_id="one"))
    save(store, login(client_id="two", access_token="of two"))
    assert len(stored(store)) == 2
    assert record(ask(store, make_token(client_id="two"))).access_token == "of two"
    with sdk_error(AmbiguousTokenError):
        ask(store, make_token())


def test_a_login_without_a_user_is_claimed(store):
    store.save_token(login(grant_token="g"))
    save(store, login(grant_token="g"))
    (row,) = stored(store)
    assert row["user_name"] == ALICE


def test_another_users_token_is_never_overwritten(store):
    alice = save(store, login())
    before = stored(store)
    with sdk_error(IdConflictError):
        save(store, alice, BOB)
    assert stored(store) == before


def test_the_applications_refresh_token_is_used_for_the_next_refresh(store):
    save(store, login())
    found = ask(store, make_token(**CLIENT, refresh_token="configured"))
    assert record(found).refresh_token == "configured"
    assert record(found).access_token == LOGIN["access_token"]


def test_a_refresh_token_that_came_with_a_grant_token_gives_way_to_a_later_login(store):
    save(store, login(grant_token="first"))
    wanted = make_token(**CLIENT, grant_token="first")
    ask(store, wanted)
    assert record(wanted).refresh_token == LOGIN["refresh_token"], "the grant token is used up"
    save(store, login(grant_token="second", refresh_token="of the second"))
    assert record(ask(store, wanted)).refresh_token == "of the second"


def test_a_grant_token_that_is_not_the_stored_one_is_a_new_login(store):
    save(store, login(grant_token="first"))
    wanted = make_token(**CLIENT, grant_token="second")
    before = known(wanted)
    assert ask(store, wanted) is None
    assert known(wanted) == before


@pytest.mark.parametrize("missing", ["access_token", "expiry"])
def test_what_can_only_be_refreshed_is_handed_back_as_expired(store, missing):
    saved = save(store, login(**{missing: None}))
    for found in (ask(store, make_token(**CLIENT)), by_id(store, saved)):
        assert expires_in(found) == "0", "text: the SDK calls int() on it"
        assert record(found).refresh_token == LOGIN["refresh_token"]


def by_id(store, saved):
    return store.get_token_by_id(record(saved).id, make_token(id=record(saved).id))


def test_an_access_token_that_can_neither_expire_nor_be_refreshed_is_used(store):
    saved = save(store, make_token(client_id="c", access_token="a"))
    for found in (ask(store, make_token(client_id="c")), by_id(store, saved)):
        assert record(found).access_token == "a"
        assert int(expires_in(found)) > time.time() * 1000 + 10**12


def test_a_login_that_has_not_been_made_is_left_to_the_sdk(store):
    saved = save(store, make_token(**CLIENT, grant_token="g", redirect_url="https://r"))
    assert ask(store, make_token(**CLIENT, grant_token="g")) is None
    wanted = make_token(id=record(saved).id)
    assert store.get_token_by_id(record(saved).id, wanted) is None
    assert known(wanted) == known(saved), "it can be made now"


def test_by_id_the_row_is_handed_back_in_a_new_token(store):
    saved = save(store, login())
    wanted = make_token(id=record(saved).id, refresh_token=LOGIN["refresh_token"])
    before = known(wanted)
    found = store.get_token_by_id(record(saved).id, wanted)
    assert known(found) == known(saved)
    assert known(wanted) == before


def test_an_unknown_id_is_none_or_raises(make_store):
    assert make_store().get_token_by_id("unknown", make_token()) is None
    with sdk_error(UnknownIdError):
        make_store(missing_id="raise").get_token_by_id("unknown", make_token())


@pytest.mark.parametrize(
    "fields",
    [
        {"user": ALICE},
        {"user": ALICE, "client_id": LOGIN["client_id"], "refresh_token": "an old one"},
        {"refresh_token": LOGIN["refresh_token"], "client_id": LOGIN["client_id"]},
        {"grant_token": "g"},
        {"id": "chosen"},
    ],
    ids="-".join,
)
def test_a_token_is_deleted_by_whatever_it_knows(store, fields):
    save(store, login(BOB), BOB)
    save(store, login(grant_token="g", id="chosen"))
    store.delete_token(make_token(**fields))
    assert [row["user_name"] for row in stored(store)] == [BOB]


@pytest.mark.parametrize(
    "fields", [{}, {"user": "nobody"}, {"refresh_token": "another"}, {"id": "another"}]
)
def test_deleting_a_token_that_is_not_stored_changes_nothing(store, fields):
    save(store, login())
    store.delete_token(make_token(**fields))
    assert len(stored(store)) == 1


@pytest.mark.parametrize("user", [None, "alice@example.com", 5], ids=repr)
def test_a_user_who_is_no_user_signature_is_an_error(store, user):
    with sdk_error(TokenTypeError, "UserSignature"):
        store.get_token(user, login())
    with sdk_error(TokenTypeError, "UserSignature"):
        store.save_token(user, login())
    assert stored(store) == []


@pytest.mark.parametrize("thing", [5, object(), {"id": "1"}])
def test_a_thing_that_is_no_token_is_an_error(store, thing):
    for call in (
        lambda: ask(store, thing),
        lambda: save(store, thing),
        lambda: store.get_token_by_id("1", thing),
        lambda: store.delete_token(thing),
    ):
        with sdk_error(TokenTypeError):
            call()


@pytest.mark.skipif(SDK.contract != "B", reason="only contract B's SDK makes ids itself")
def test_two_users_to_whom_the_sdk_gave_the_same_id_have_two_rows(store):
    same = "python_info_PRODUCTION_aaaa"
    first = save(store, login(id=same, refresh_token="one.aaaa"), "info@one.example")
    second = save(store, login(id=same, refresh_token="two.aaaa"), "info@two.example")
    rows = {row["id"]: row["user_name"] for row in stored(store)}
    assert rows == {record(first).id: "info@one.example", record(second).id: "info@two.example"}
    assert record(first).id == same


def test_an_id_that_the_application_gave_twice_is_refused(store):
    save(store, login(id="same", refresh_token="one"), BOB)
    with sdk_error(IdConflictError):
        save(store, login(id="same", refresh_token="two"))
    assert len(stored(store)) == 1
