"""What every store promises, said once and run on each of them."""

import pytest

from sdks import NAMES_USERS, SDK, SETTERS
from support import expires_in, known, login, make_token, record, sdk_error, stored
from zoho_tokenstore.errors import AmbiguousTokenError, IdConflictError, UnknownIdError


def test_a_store_is_the_sdks_token_store_without_inheriting_from_it(store):
    assert isinstance(store, SDK.store_type)
    assert SDK.store_type not in type(store).__mro__


def test_a_saved_token_is_found_complete_and_in_place(store):
    saved = login("alice")
    store.save_token(saved)
    wanted = make_token("alice")
    assert store.find_token(wanted) is wanted
    assert known(wanted) == known(saved)
    assert expires_in(wanted) == "1767225600000", "the SDK wants text"


def test_a_save_sets_the_id_on_insert_and_on_update(store):
    first = login("alice")
    store.save_token(first)
    assert isinstance(record(first).id, str)
    assert record(first).id
    again = login("alice")
    store.save_token(again)
    assert record(again).id == record(first).id


def test_an_update_keeps_what_the_token_does_not_have(store):
    store.save_token(login("alice"))
    store.save_token(make_token("alice", client_id="1000.CLIENT", access_token="new", expiry="7"))
    (row,) = stored(store)
    assert row["access_token"] == "new"
    assert row["expiry"] == 7
    assert row["refresh_token"] == "1000.refresh.alice"
    assert row["client_secret"] == "a-client-secret"


def test_an_empty_string_erases_nothing(store):
    store.save_token(login("alice"))
    store.save_token(login("alice", refresh_token="", redirect_url="", expiry=""))
    (row,) = stored(store)
    assert row["refresh_token"] == "1000.refresh.alice"
    assert row["redirect_url"] == "https://app.example.com/callback"
    assert row["expiry"] == 1767225600000


def test_a_new_refresh_token_of_the_same_user_and_client_replaces_the_old_one(store):
    store.save_token(login("alice"))
    store.save_token(login("alice", refresh_token="rotated"))
    (row,) = stored(store)
    assert row["refresh_token"] == "rotated"


def test_a_user_of_two_clients_has_two_tokens_and_is_never_guessed(store):
    store.save_token(login("alice", client_id="one", refresh_token="r1"))
    store.save_token(login("alice", client_id="two", refresh_token="r2"))
    assert len(stored(store)) == 2
    with sdk_error(AmbiguousTokenError, "pass the client id"):
        store.find_token(make_token("alice"))
    with sdk_error(AmbiguousTokenError, "pass the client id"):
        store.save_token(make_token("alice", access_token="whose?"))
    found = store.find_token(make_token("alice", client_id="two"))
    assert record(found).refresh_token == "r2"


def test_a_client_that_the_user_does_not_have_finds_nothing(store):
    store.save_token(login("alice"))
    assert store.find_token(make_token("alice", client_id="other")) is None
    assert store.find_token(make_token(refresh_token="1000.refresh.alice", client_id="o")) is None


def test_a_row_without_a_user_is_claimed_by_the_user_who_saves_it(store):
    nameless = login(grant_token="g")
    store.save_token(nameless)
    named = login("alice", refresh_token="1000.refresh", grant_token="g")
    store.save_token(named)
    (row,) = stored(store)
    assert row["user_name"] == "alice"
    assert row["id"] == record(nameless).id == record(named).id


@pytest.mark.parametrize("shared", ["grant_token", "refresh_token"])
def test_either_token_is_enough_to_claim(store, shared):
    store.save_token(make_token(client_id="c", **{shared: "same"}))
    store.save_token(make_token("alice", client_id="c", access_token="a", **{shared: "same"}))
    assert len(stored(store)) == 1


def test_a_row_of_another_client_is_not_claimed(store):
    store.save_token(login(client_id="one", grant_token="g"))
    store.save_token(login("alice", client_id="two", grant_token="g"))
    assert len(stored(store)) == 2


def test_another_users_row_is_never_claimed_or_overwritten(store):
    store.save_token(login("alice", grant_token="g"))
    before = stored(store)
    store.save_token(login("mallory", grant_token="g", refresh_token="1000.refresh.alice"))
    assert [row for row in stored(store) if row["user_name"] == "alice"] == before


def test_the_users_own_row_absorbs_a_nameless_one_of_the_same_login(store):
    own = login("alice")
    store.save_token(own)
    store.save_token(make_token(client_id="1000.CLIENT", grant_token="g", redirect_url="d"))
    store.save_token(login("alice", grant_token="g"))
    (row,) = stored(store)
    assert row["id"] == record(own).id
    assert row["grant_token"] == "g"


def test_a_nameless_row_is_not_absorbed_if_its_refresh_token_would_be_lost(store):
    store.save_token(login("alice"))
    store.save_token(login(grant_token="g", refresh_token="the only copy"))
    store.save_token(make_token("alice", client_id="1000.CLIENT", grant_token="g"))
    assert {row["refresh_token"] for row in stored(store)} == {
        "1000.refresh.alice",
        "the only copy",
    }


def test_a_nameless_row_is_absorbed_with_its_refresh_token_if_the_target_has_none(store):
    store.save_token(make_token(access_token="a"))
    store.save_token(make_token(grant_token="g", refresh_token="the only copy"))
    store.save_token(make_token(access_token="a", grant_token="g"))
    (row,) = stored(store)
    assert (row["access_token"], row["refresh_token"]) == ("a", "the only copy")


def test_a_token_that_makes_one_login_of_two_is_refused(store):
    store.save_token(make_token(access_token="a", refresh_token="one"))
    store.save_token(make_token(grant_token="g", refresh_token="another"))
    before = stored(store)
    with sdk_error(AmbiguousTokenError, "2 stored tokens would become the same login"):
        store.save_token(make_token(access_token="a", grant_token="g"))
    assert stored(store) == before


def test_a_user_saved_without_a_client_gains_it_later(store):
    store.save_token(make_token("alice", access_token="pasted"))
    store.save_token(login("alice"))
    (row,) = stored(store)
    assert row["client_id"] == "1000.CLIENT"
    assert store.find_token(make_token("alice")) is not None


def test_a_login_without_a_user_name_finds_the_users_row(store):
    store.save_token(login("alice"))
    store.save_token(login(grant_token="g2", refresh_token="1000.refresh.alice"))
    (row,) = stored(store)
    assert (row["user_name"], row["grant_token"]) == ("alice", "g2")


@pytest.mark.parametrize("save", ["save_token", "save_tokens"])
def test_a_login_without_a_user_name_may_have_the_id_of_the_users_row(store, save):
    alice = login("alice")
    store.save_token(alice)
    row = known(alice) | {"access_token": "1000.new"}
    nameless = make_token(**{name: value for name, value in row.items() if name != "user_name"})
    getattr(store, save)(nameless if save == "save_token" else [nameless])
    assert stored(store) == [row]


def test_the_same_token_saved_twice_is_one_row(store):
    for fields in (
        {"access_token": "a"},
        {"access_token": "b", "client_id": "c"},
        {"grant_token": "g", "client_id": "c"},
        {"refresh_token": "r", "client_id": "c"},
        {"user": "u", "access_token": "a"},
    ):
        store.delete_tokens()
        store.save_token(make_token(**fields))
        store.save_token(make_token(**fields))
        assert len(stored(store)) == 1, fields


def test_a_rotated_token_is_recognised_by_its_id(store):
    token = login()
    store.save_token(token)
    SETTERS["refresh_token"](token, "rotated")
    store.save_token(token)
    (row,) = stored(store)
    assert row["refresh_token"] == "rotated"


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "grant_token", "client_secret"])
def test_whatever_changes_in_a_token_that_was_read_is_stored(store, name):
    store.save_token(login("alice", grant_token="granted"))
    token = store.find_token(make_token("alice"))
    SETTERS[name](token, "changed")
    store.save_token(token)
    (row,) = stored(store)
    assert row == known(token)
    assert row[name] == "changed"


def test_an_id_does_not_stand_in_for_the_user_of_a_login_that_two_rows_have(store):
    store.save_token(login("alice", refresh_token="hers"))
    nameless = login(grant_token="granted", refresh_token="another")
    store.save_token(nameless)
    store.save_token(login("alice", refresh_token="hers", grant_token="granted"))
    before = stored(store)
    assert len(before) == 2, "or the nameless refresh token would be lost"
    SETTERS["access_token"](nameless, "new")
    with sdk_error(AmbiguousTokenError):
        store.save_token(nameless)
    assert stored(store) == before


def test_an_id_that_the_caller_chose_is_kept(store):
    token = login("alice", id="my id: 'Zoë' 7")
    store.save_token(token)
    assert record(token).id == "my id: 'Zoë' 7"
    assert record(store.find_token_by_id("my id: 'Zoë' 7")).refresh_token == "1000.refresh.alice"


def test_an_id_of_another_users_token_is_refused_and_changes_nothing(store):
    alice = login("alice")
    store.save_token(alice)
    before = stored(store)
    for token in (
        login("bob", id=record(alice).id),
        login(id=record(alice).id),
        login("alice", client_id="other", id=record(alice).id),
    ):
        with sdk_error(IdConflictError, "belongs to another"):
            store.save_token(token)
    assert stored(store) == before


def test_an_id_of_another_users_token_is_refused_on_update_too(store):
    alice, bob = login("alice"), login("bob")
    store.save_tokens([alice, bob])
    before = stored(store)
    with sdk_error(IdConflictError, "belongs to another"):
        store.save_token(login("bob", id=record(alice).id, access_token="bobs-new"))
    assert stored(store) == before


def test_ids_are_not_used_again(store):
    seen = set()
    for round_ in range(5):
        token = login("alice", access_token=f"a{round_}")
        store.save_token(token)
        assert record(token).id not in seen
        seen.add(record(token).id)
        store.delete_token(record(token).id)


def test_what_the_caller_set_stays(store):
    store.save_token(login("alice"))
    wanted = make_token("alice", redirect_url="https://mine", grant_token="new-grant")
    store.find_token(wanted)
    assert record(wanted).redirect_url == "https://mine"
    assert record(wanted).grant_token == "new-grant"
    assert record(wanted).refresh_token == "1000.refresh.alice"


@pytest.mark.parametrize(
    ("mine", "expiry", "result"),
    [
        ("old", "6000", ("stored", "7000")),
        ("old", None, ("stored", "7000")),
        ("newer", "8000", ("newer", "8000")),
        ("stored", None, ("stored", "7000")),
        ("stored", "6000", ("stored", "7000")),
        (None, None, ("stored", "7000")),
        (None, "9000", ("stored", "7000")),
    ],
)
def test_the_access_token_that_expires_later_wins_with_its_expiry(store, mine, expiry, result):
    store.save_token(login("alice", access_token="stored", expiry="7000"))
    wanted = make_token("alice", access_token=mine, expiry=expiry)
    store.find_token(wanted)
    assert (record(wanted).access_token, expires_in(wanted)) == result


def test_a_stored_row_without_access_token_leaves_the_callers_alone(store):
    store.save_token(login("alice", access_token=None, expiry=None))
    wanted = make_token("alice", access_token="mine", expiry="5")
    store.find_token(wanted)
    assert (record(wanted).access_token, expires_in(wanted)) == ("mine", "5")


def test_found_tokens_carry_the_rows_id_and_no_other(store):
    alice, bob = login("alice"), login("bob")
    store.save_tokens([alice, bob])
    wanted = make_token("alice", id=record(bob).id)
    store.find_token(wanted)
    assert record(wanted).id == record(alice).id


def test_a_token_that_names_nothing_finds_nothing(store):
    store.save_token(login("alice"))
    for token in (
        make_token(),
        make_token(""),
        make_token("", refresh_token="", grant_token="", access_token="", id=""),
        make_token(client_id="1000.CLIENT", client_secret="a-client-secret"),
    ):
        assert store.find_token(token) is None


def test_find_by_id_returns_a_new_usable_token_or_none(make_store):
    store = make_store()
    saved = login("alice")
    store.save_token(saved)
    found = store.find_token_by_id(record(saved).id)
    assert found is not saved
    assert known(found) == known(saved)
    if NAMES_USERS:
        assert hasattr(found, "_OAuthToken__find_user"), "made by the SDK's constructor"
    assert store.find_token_by_id("unknown") is None
    assert store.find_token_by_id("") is None


def test_a_store_can_be_told_to_raise_for_an_unknown_id(make_store):
    store = make_store(missing_id="raise")
    with sdk_error(UnknownIdError, "no token is stored under the id"):
        store.find_token_by_id("unknown")


def test_deleting_removes_that_row_only(store):
    tokens = [login("alice"), login("bob"), login("carol")]
    store.save_tokens(tokens)
    store.delete_token(record(tokens[1]).id)
    assert {row["user_name"] for row in stored(store)} == {"alice", "carol"}
    store.delete_token("unknown")
    store.delete_token("")
    store.delete_token("0 or 1=1")
    assert len(stored(store)) == 2
    store.delete_tokens()
    assert store.get_tokens() == []


def test_many_tokens_are_saved_as_one_by_one(store):
    tokens = [login(f"user {number}") for number in range(1001)]
    store.save_tokens(iter(tokens))
    assert len(stored(store)) == 1001
    assert all(known(store.find_token_by_id(record(t).id)) == known(t) for t in tokens[::100])


def test_a_batch_may_speak_of_the_same_row_twice(store):
    first, second = login(grant_token="g"), login("alice", grant_token="g")
    SETTERS["refresh_token"](second, record(first).refresh_token)
    store.save_tokens([first, second])
    (row,) = stored(store)
    assert record(first).id == record(second).id == row["id"]
    assert row["user_name"] == "alice"


def test_a_row_absorbed_within_a_batch_hands_its_id_on(store):
    another, own = login("bob"), login("alice")
    nameless = make_token(client_id="1000.CLIENT", grant_token="g")
    again = login("alice", grant_token="g")
    store.save_tokens([another, own, nameless, again])
    ids = {row["user_name"]: row["id"] for row in stored(store)}
    assert [record(token).id for token in (own, nameless, again)] == [ids["alice"]] * 3
    assert record(another).id == ids["bob"]


def test_the_id_of_an_absorbed_row_may_be_chosen_again_in_the_same_batch(store):
    store.save_token(login("alice"))
    store.save_token(make_token(client_id="1000.CLIENT", grant_token="g", id="chosen"))
    absorbing, chosen = login("alice", grant_token="g"), login("bob", id="chosen")
    store.save_tokens([absorbing, chosen])
    assert {row["user_name"]: row["id"] for row in stored(store)} == {
        "alice": record(absorbing).id,
        "bob": "chosen",
    }


def test_a_row_may_move_within_a_batch_to_where_another_was(store):
    store.save_tokens(
        [
            make_token(client_id="c", grant_token="g1", refresh_token="r1"),
            make_token(client_id="c", refresh_token="r2"),
        ]
    )
    store.save_tokens(
        [
            make_token(client_id="c", refresh_token="r2", redirect_url="touched first"),
            make_token(client_id="c", refresh_token="r1", grant_token="g2"),
            make_token(client_id="c", refresh_token="r2", grant_token="g1"),
        ]
    )
    rows = [(row["refresh_token"], row["grant_token"]) for row in stored(store)]
    assert sorted(rows) == [("r1", "g2"), ("r2", "g1")]


def test_a_batch_with_a_bad_token_stores_nothing(store):
    alice = login("alice")
    store.save_token(alice)
    with pytest.raises(IdConflictError):
        store.save_tokens([login("bob"), login("carol", id=record(alice).id)])
    assert [row["user_name"] for row in stored(store)] == ["alice"]


def test_iter_tokens_yields_every_token_once(store):
    store.save_tokens(login(f"user {number}") for number in range(850))
    names = [record(token).user_name for token in store.iter_tokens()]
    assert sorted(names) == sorted(f"user {number}" for number in range(850))


def test_tokens_may_be_saved_and_deleted_while_they_are_iterated(store):
    store.save_tokens(login(f"user {number}") for number in range(450))
    for number, token in enumerate(store.iter_tokens()):
        if number % 50 == 0:
            store.delete_token(record(token).id)
            store.save_token(login(f"later {number}"))
    assert len(stored(store)) == 450


def test_tokens_far_apart_in_a_large_batch_end_as_one_by_one(store):
    tokens = [login(f"user {number}") for number in range(900)]
    nameless = login(refresh_token="1000.refresh.user 5", access_token="nameless")
    again = login("user 3", access_token="newer")
    store.save_tokens([nameless, *tokens, again])
    assert len(stored(store)) == 900
    assert known(again)["id"] == known(tokens[3])["id"]
    assert known(store.find_token(make_token("user 3")))["access_token"] == "newer"
    assert known(store.find_token(make_token("user 5")))["id"] == known(nameless)["id"]


@pytest.mark.parametrize("others", [0, 1], ids=["one token", "a batch"])
def test_an_expiry_without_an_access_token_is_not_that_of_the_stored_one(store, others):
    store.save_token(login("alice", expiry="1000"))
    stray = login("alice", access_token=None, expiry="99999999999999")
    if others:
        store.save_tokens([stray, login("bob")])
    else:
        store.save_token(stray)
    assert record(store.find_token(make_token("alice"))).expiry == 1000
