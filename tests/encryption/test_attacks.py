"""A database writer without a key: what they change is refused, not served."""

import pytest

import sdks
from attackers import EVIL, Attacker, opened, served
from support import KEY, known, login, make_token, record, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.tokens.digests import digest

NAMES = ("user_name", "user_digest", "identity_digest")

ATTACKS = {
    "the names of two rows are exchanged": lambda db: db.exchange(*NAMES),
    "the names and ids are exchanged": lambda db: db.exchange(*NAMES, "id", "id_digest"),
    "the digests are exchanged": lambda db: db.exchange("user_digest", "identity_digest"),
    "the digests of tokens are exchanged": lambda db: db.exchange(
        "access_digest", "grant_digest", "refresh_digest"
    ),
    "the seals are exchanged": lambda db: db.exchange("sealed"),
    "the seals and their ids are exchanged": lambda db: db.exchange("sealed", "id", "id_digest"),
    "another row's seal is copied": lambda db: db.copy("sealed", "access_digest", "refresh_digest"),
    "another row is copied but for its name": lambda db: db.copy(
        "sealed", "expiry", "api_domain", "access_digest", "refresh_digest", "redirect_url"
    ),
    "another row is renamed": lambda db: (
        db.run("delete from oauthtoken where user_name = 'alice'"),
        db.change(
            "bob",
            user_name="alice",
            user_digest=digest("user_name", "alice"),
            identity_digest=digest("identity", "user_name", "alice", "1000.CLIENT"),
        ),
    ),
    "the API domain is changed": lambda db: db.change("alice", api_domain=EVIL),
    "the API domain is dropped": lambda db: db.change("alice", api_domain=None),
    "the redirect URL is changed": lambda db: db.change("alice", redirect_url=EVIL),
    "the client id is changed": lambda db: db.change("alice", client_id="1000.EVIL"),
    "the client id is dropped": lambda db: db.change("alice", client_id=None),
    "the expiry is put off": lambda db: db.change("alice", expiry=4102444800000),
    "the expiry is dropped": lambda db: db.change("alice", expiry=None),
    "the seal is dropped": lambda db: db.change("alice", sealed=None),
    "the seal is cut": lambda db: db.change("alice", sealed=db.row("alice")["sealed"][:-4]),
    "the key is renamed": lambda db: db.change("alice", key_id="other"),
    "readable values replace the seal": lambda db: db.change(
        "alice", sealed=None, key_id=None, access_token="1000.planted", refresh_token="1000.planted"
    ),
    "readable values stand beside the seal": lambda db: db.change(
        "alice", access_token="1000.planted", refresh_token="1000.planted", client_secret="planted"
    ),
    "a readable row is planted": lambda db: db.plant(),
    "a readable row says it is sealed": lambda db: db.plant(
        key_id=db.row("bob")["key_id"], sealed=db.row("bob")["sealed"]
    ),
    "the keys are deleted and a readable row is planted": lambda db: (
        db.run("delete from oauthtoken_key"),
        db.plant(),
    ),
}


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def attacker(url):
    attacker = Attacker(url)
    yield attacker
    attacker.close()


def ways(token):
    """Return everything that a token can be looked up by, and its save."""
    return (
        lambda store: store.find_token(make_token(token.user_name)),
        lambda store: store.find_token(make_token(token.user_name, client_id=token.client_id)),
        lambda store: store.find_token(make_token(access_token=token.access_token)),
        lambda store: store.find_token(make_token(refresh_token=token.refresh_token)),
        lambda store: store.find_token_by_id(token.id),
    )


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_nothing_that_was_changed_is_served(url, attacker, attack):
    with opened(url) as store, opened(url) as fresh:
        store.save_tokens([login("alice", access_token="1000.alice"), login("bob")])
        whole = {name: record(store.find_token(make_token(name))) for name in ("alice", "bob")}
        attack(attacker)
        for each in (store, fresh):
            for token in whole.values():
                for find in ways(token):
                    found = served(lambda each=each, find=find: find(each))
                    assert found is None or record(found) == token
            for found in served(lambda each=each: list(each.iter_tokens(on_error="skip"))) or ():
                assert record(found) in whole.values()
            for found in served(each.get_tokens) or ():
                assert record(found) in whole.values()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_nothing_that_was_changed_gets_into_what_is_saved(url, attacker, attack):
    with opened(url) as store:
        store.save_tokens([login("alice", access_token="1000.alice"), login("bob")])
        alice = record(store.find_token(make_token("alice")))
        attack(attacker)
        for saved in (
            alice._replace(access_token="1000.new"),
            alice._replace(access_token="1000.newer", refresh_token=None, client_secret=None),
            alice._replace(id=None, access_token="1000.newest", api_domain=None),
        ):
            served(lambda saved=saved: store.save_token(sdks.SDK.build_token(saved)))
            found = served(lambda: store.find_token(make_token("alice")))
            assert found is None or record(found) in (
                alice,
                *(alice._replace(access_token=f"1000.{age}") for age in ("new", "newer", "newest")),
            )


def test_a_row_of_another_table_is_refused(url, attacker):
    with opened(url) as store, opened(url, table="others") as other:
        store.save_token(login("alice"))
        other.save_token(login("bob", id="the id"))
        attacker.run("insert into oauthtoken select * from others")
        assert served(lambda: store.find_token(make_token("bob"))) is None
        assert known(other.find_token(make_token("bob")))["id"] == "the id"
    attacker.drop_tables("others")


def test_an_older_seal_fits_its_own_row_only_with_all_that_it_was_bound_to(url, attacker):
    with opened(url) as store:
        store.save_token(login("alice", expiry="1000"))
        older = attacker.row("alice")
        store.save_token(login("alice", access_token="1000.newer", expiry="2000"))
        attacker.change("alice", sealed=older["sealed"])
        assert served(lambda: store.find_token(make_token("alice"))) is None
        # What remains possible: the whole row as it was.
        attacker.change("alice", expiry=older["expiry"], access_digest=older["access_digest"])
        found = store.find_token(make_token("alice"))
        assert record(found).access_token == known(login("alice"))["access_token"]


def test_rotation_seals_nothing_that_was_planted(url, attacker, run_command):
    with opened(url) as store:
        store.save_tokens([login("alice"), login("bob")])
    attacker.plant()
    keys = f"{Keyring.generate_key()},{KEY}"
    done = run_command(url, "keys", "rotate", KEYS=keys)
    assert done.status == 1
    assert done.out == "rotated: 1, current: 0, failed: 1\n"
    assert "is stored unencrypted" in done.err
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(keys)) as store:
        assert served(lambda: store.find_token(make_token("alice"))) is None
        assert [row["user_name"] for row in map(known, store.iter_tokens(on_error="skip"))] == [
            "bob"
        ]


def test_deleting_a_row_logs_its_user_out_and_nobody_in(url, attacker):
    with opened(url) as store:
        store.save_tokens([login("alice"), login("bob")])
        attacker.run("delete from oauthtoken where user_name = 'alice'")
        assert store.find_token(make_token("alice")) is None
        assert [row["user_name"] for row in stored(store)] == ["bob"]
