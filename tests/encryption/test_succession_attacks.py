"""An attacker who writes to the database without a key makes no row another login's successor."""

import pytest

from attackers import Attacker, opened, served
from support import login, make_token, record
from zoho_tokenstore.tokens.digests import digest

MEMORY = ("superseded_digest", "superseded_proof")
USERS = ("alice", "bob")


def old(user):
    return f"1000.{user}.old"


def present(user):
    return record(login(user)).refresh_token


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


def becomes(**columns):
    """Set what Alice's row has superseded to columns of Bob's, or to the values of functions."""

    def attack(db):
        bob = db.row("bob")
        values = {
            name: bob[source] if isinstance(source, str) else source(db.row("alice"))
            for name, source in columns.items()
        }
        db.change("alice", **values)

    return attack


def without_bob(attack):
    def attack_and_delete(db):
        attack(db)
        db.run("delete from oauthtoken where user_name = 'bob'")

    return attack_and_delete


ON_MEMORY = {
    "Bob's digest": becomes(superseded_digest="superseded_digest"),
    "Bob's digest and proof": becomes(**dict(zip(MEMORY, MEMORY, strict=True))),
    "Bob's present digest": becomes(superseded_digest="refresh_digest"),
    "Bob's present digest and proof": becomes(
        superseded_digest="refresh_digest", superseded_proof="superseded_proof"
    ),
    "Bob's digest is the proof too": becomes(
        superseded_digest="superseded_digest", superseded_proof="superseded_digest"
    ),
    "Bob's proof": becomes(superseded_proof="superseded_proof"),
    "their own present digest": becomes(superseded_digest=lambda row: row["refresh_digest"]),
    "no proof": becomes(superseded_proof=lambda _: None),
    "an empty proof": becomes(superseded_proof=lambda _: ""),
    "a proof that is not ASCII": becomes(superseded_proof=lambda _: "é" * 64),
    "a digest in capitals": becomes(superseded_digest=lambda row: row["refresh_digest"].upper()),
    "the columns are exchanged": lambda db: db.exchange(*MEMORY),
    "the columns and digests are exchanged": lambda db: db.exchange(*MEMORY, "refresh_digest"),
}
PLANTS = {
    "a readable row": lambda db: db.plant(
        user="carol", **{name: db.row("bob")[name] for name in MEMORY}
    ),
    "a readable row with the present digest": lambda db: db.plant(
        user="carol", superseded_digest=db.row("bob")["refresh_digest"]
    ),
    "a readable row with a guess": lambda db: db.plant(
        user="carol", superseded_digest=digest("refresh_token", old("bob"))
    ),
    "a readable row with a seal": lambda db: db.plant(
        user="carol", **{name: db.row("bob")[name] for name in (*MEMORY, "key_id", "sealed")}
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
def test_a_wrong_proof_locks_nobody_out(store, attacker, attack):
    attack(attacker)
    for user in USERS:
        assert record(store.find_token(make_token(user))).refresh_token == present(user)
        store.find_token(make_token(refresh_token=old(user)))
        store.save_token(login(user, refresh_token="1000.third", access_token=f"1000.3.{user}"))
        assert record(store.find_token(make_token(user))).refresh_token == "1000.third"
        store.save_token(login(user, refresh_token=old(user), access_token=f"1000.4.{user}"))
        store.save_token(login(refresh_token=present(user), access_token=f"1000.5.{user}"))


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
        attacker.change("bob", **{name: before[name] for name in MEMORY})
        store.save_token(login("bob", refresh_token=old("alice")))
        assert record(store.find_token(make_token("bob"))).refresh_token == old("alice")


def test_the_proof_is_that_of_the_earlier_refresh_token_alone(store, attacker):
    store.save_token(login("alice", refresh_token=old("alice")))
    assert record(store.find_token(make_token("alice"))).refresh_token == present("alice")
    row = attacker.row("alice")
    assert old("alice") not in str(row)
    assert digest("refresh_token", old("alice")) not in str(row)
