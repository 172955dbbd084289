"""An attacker who writes to the database without a key makes no login give way to another row."""

import pytest

from attackers import Attacker, opened, served
from support import login, make_token, record
from zoho_tokenstore.tokens.digests import digest

MEMORY = "superseded_digest"
USERS = ("alice", "bob")


def old(user):
    return f"1000.{user}.old"


def present(user):
    return record(login(user)).refresh_token


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def attacker(url):
    attacker = Attacker(url)
    yield attacker
    attacker.close()


@pytest.fixture
def store(url):
    with opened(url) as store:
        for user in USERS:
            store.save_token(login(user, refresh_token=old(user)))
            store.save_token(login(user))
        yield store


def becomes(value):
    """Set what Alice's row has superseded to what a function makes of both rows."""
    return lambda db: db.change("alice", superseded_digest=value(db.row("alice"), db.row("bob")))


def without_bob(attack):
    def attack_and_delete(db):
        attack(db)
        db.run("delete from oauthtoken where user_name = 'bob'")

    return attack_and_delete


ON_MEMORY = {
    "Bob's": becomes(lambda _, bob: bob[MEMORY]),
    "Bob's present digest": becomes(lambda _, bob: bob["refresh_digest"]),
    "their own present digest": becomes(lambda alice, _: alice["refresh_digest"]),
    "a guess": becomes(lambda *_: digest("refresh_token", old("bob"))),
    "nothing": becomes(lambda *_: None),
    "an empty text": becomes(lambda *_: ""),
    "what is not ASCII": becomes(lambda *_: "é" * 64),
    "capitals": becomes(lambda alice, _: alice[MEMORY].upper()),
    "an exchange": lambda db: db.exchange(MEMORY),
    "an exchange with the digests": lambda db: db.exchange(MEMORY, "refresh_digest"),
}
PLANTS = {
    "a readable row": lambda db: db.plant(user="carol", superseded_digest=db.row("bob")[MEMORY]),
    "a readable row with the present digest": lambda db: db.plant(
        user="carol", superseded_digest=db.row("bob")["refresh_digest"]
    ),
    "a readable row with a guess": lambda db: db.plant(
        user="carol", superseded_digest=digest("refresh_token", old("bob"))
    ),
    "a readable row with a seal": lambda db: db.plant(
        user="carol", **{name: db.row("bob")[name] for name in (MEMORY, "key_id", "sealed")}
    ),
}
ATTACKS = {
    **ON_MEMORY,
    **PLANTS,
    **{f"{name}, without Bob": without_bob(it) for name, it in (ON_MEMORY | PLANTS).items()},
}


@pytest.mark.parametrize("accepts", [False, True], ids=["", "accept readable"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_login_leads_to_another_users_row(store, url, attacker, attack, accepts):
    attack(attacker)
    with opened(url, accept_readable=accepts) as fresh:
        for each in (store, fresh):
            for user in USERS:
                for refresh_token in (old(user), present(user)):
                    token = make_token(refresh_token=refresh_token)
                    found = served(lambda token=token, each=each: each.find_token(token))
                    assert found is None or record(found).user_name == user


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_save_leads_to_another_users_row(store, attacker, attack):
    attack(attacker)
    for user in USERS:
        for refresh_token in (old(user), present(user)):
            token = login(refresh_token=refresh_token, access_token=f"1000.of {user}")
            served(lambda token=token: store.save_token(token))
            if record(token).id is not None:
                found = store.find_token_by_id(record(token).id)
                assert record(found).user_name in (None, user)
                assert record(found).refresh_token in (old(user), present(user))


@pytest.mark.parametrize("attack", ON_MEMORY.values(), ids=ON_MEMORY)
def test_a_wrong_memory_locks_nobody_out(store, attacker, attack):
    attack(attacker)
    for user in USERS:
        assert record(store.find_token(make_token(user))).refresh_token == present(user)
        store.find_token(make_token(refresh_token=old(user)))
        store.save_token(login(user, refresh_token="1000.third", access_token=f"1000.3.{user}"))
        assert record(store.find_token(make_token(user))).refresh_token == "1000.third"
        store.save_token(login(user, refresh_token=old(user), access_token=f"1000.4.{user}"))
        store.save_token(login(refresh_token=present(user), access_token=f"1000.5.{user}"))


@pytest.mark.parametrize("attack", ON_MEMORY.values(), ids=ON_MEMORY)
def test_no_memory_of_another_row_keeps_a_login_away(store, attacker, attack):
    attack(attacker)
    for refresh_token in (old("bob"), present("bob")):
        store.save_token(login("alice", refresh_token=refresh_token))
        assert record(store.find_token(make_token("alice"))).refresh_token == refresh_token


@pytest.mark.parametrize("attack", PLANTS.values(), ids=PLANTS)
def test_a_planted_row_does_not_stop_the_saves_of_others(store, attacker, attack):
    attack(attacker)
    store.save_token(login(refresh_token=old("bob"), access_token="1000.of the old"))
    assert record(store.find_token(make_token("bob"))).refresh_token == present("bob")


def test_an_id_that_is_used_again_inherits_nothing(url, attacker):
    with opened(url) as store:
        for refresh_token in (old("alice"), present("alice")):
            store.save_token(login("alice", id="chosen", refresh_token=refresh_token))
        before = attacker.row("alice")
        store.delete_token("chosen")
        store.save_token(login("bob", id="chosen"))
        attacker.change("bob", superseded_digest=before[MEMORY])
        store.save_token(login("bob", refresh_token=old("alice")))
        assert record(store.find_token(make_token("bob"))).refresh_token == old("alice")


def test_a_row_that_was_deleted_leaves_the_next_one_of_its_user_nothing(store, attacker):
    before = attacker.row("alice")
    store.delete_token(before["id"])
    store.save_token(login("alice"))
    attacker.change("alice", superseded_digest=before[MEMORY])
    store.save_token(login("alice", refresh_token=old("alice")))
    assert record(store.find_token(make_token("alice"))).refresh_token == old("alice")


def test_a_row_keeps_nothing_that_can_be_guessed_or_searched(store, attacker):
    store.save_token(login("alice", refresh_token=old("alice")))
    assert record(store.find_token(make_token("alice"))).refresh_token == present("alice")
    row = attacker.row("alice")
    assert old("alice") not in str(row)
    assert digest("refresh_token", old("alice")) not in str(row)
