"""A store with a keyring: nothing readable, everything found, and never garbage."""

import warnings
from itertools import pairwise

import pytest
from sqlalchemy import create_engine, event, text

import sdks
from sdks import SETTERS, Application
from support import (
    KEY,
    LOGIN,
    known,
    login,
    make_token,
    record,
    sdk_error,
    stored,
)
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    ConfigurationError,
    DecryptionError,
    MissingKeyError,
    NotEncryptedError,
    ReadableSecretsWarning,
)
from zoho_tokenstore.storage import tables
from zoho_tokenstore.tokens.digests import digest

OLD, NEW = Keyring.generate_key(), Keyring.generate_key()
OLD_ID, NEW_ID = OLD.partition(":")[0], NEW.partition(":")[0]
SECRETS = ("client_secret", "refresh_token", "access_token", "grant_token")


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def database(url):
    """Run SQL without the store; a query returns its rows."""
    engine = create_engine(url)

    def run(statement, **parameters):
        with engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.mappings().all() if result.returns_rows else []

    yield run
    engine.dispose()


def test_no_secret_is_readable_and_every_lookup_finds(opened, database):
    store = opened(OLD)
    token = login("alice", grant_token="1000.grant.alice")
    store.save_token(token)
    (row,) = database("select * from oauthtoken")
    secrets = [LOGIN["client_secret"]] + [known(token)[name] for name in SECRETS[1:]]
    for value in row.values():
        assert not [secret for secret in secrets if secret in str(value)]
    for name in ("refresh_token", "access_token", "grant_token"):
        column = name.removesuffix("_token") + "_digest"
        assert row[column] != digest(name, known(token)[name]), "a guess cannot be verified"
    for wanted in (
        make_token("alice"),
        make_token(access_token=known(token)["access_token"]),
        make_token(grant_token="1000.grant.alice"),
        make_token(refresh_token=known(token)["refresh_token"]),
        make_token(id=known(token)["id"]),
    ):
        assert known(store.find_token(wanted)) == known(token)


def test_leases_tell_nothing_of_a_login(opened, database, zoho, tmp_path):
    store = opened(OLD)
    grant = zoho.grant("alice@example.com")
    application = sdks.Application(zoho, store, tmp_path)
    assert application.visit(sdks.new_token(grant_token=grant), "alice@example.com")
    (row,) = stored(store)
    secrets = [digest(purpose, row[f"{purpose}_token"]) for purpose in ("grant", "refresh")]
    leases = database("select key_digest, credential from oauthtoken_lease")
    assert leases
    assert not {value for lease in leases for value in lease.values()} & set(secrets)


def test_absent_values_stay_absent(opened, database):
    opened(OLD).save_token(make_token("alice", refresh_token="only"))
    (row,) = database("select * from oauthtoken")
    assert (row["access_token"], row["grant_token"], row["client_secret"]) == (None,) * 3
    assert row["access_digest"] is None


def test_a_lookup_uses_an_index(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url, keyring=Keyring.from_text(KEY)) as store:
        store.save_token(login("alice"))
        store.find_token(make_token("alice"))  # learns that the table has its index key
        statements = []
        engine = store._database._connections.engines.autocommit
        event.listen(
            engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, parameters, *_: statements.append(
                (statement, parameters)
            ),
        )
        for field in ("refresh_token", "grant_token", "access_token"):
            store.find_token(make_token(**{field: "x"}))
        lookups = [each for each in statements if "FROM oauthtoken_key" not in each[0]]
        assert len(lookups) == 6  # the second of each is for a readable row, which is an error
        assert len(statements) == 9  # the third for the keys, which are few
        with engine.connect() as connection:
            for statement, parameters in lookups:
                plan = connection.exec_driver_sql(f"explain query plan {statement}", parameters)
                assert "SCAN" not in " ".join(row[-1] for row in plan)


def test_the_keys_must_be_those_of_the_table(opened):
    opened(OLD).save_token(login("alice"))
    for keys, missing in (((), OLD_ID), ((NEW,), OLD_ID)):
        for call in (
            lambda store: store.find_token(make_token("alice")),
            lambda store: store.save_token(login("bob")),
            lambda store: store.get_tokens(),
            lambda store: store.delete_tokens(),
        ):
            with sdk_error(MissingKeyError, missing) as caught:
                call(opened(*keys))
            assert caught.value.cause.key_ids == (missing,)
    assert len(stored(opened(OLD))) == 1


def test_another_key_of_the_same_id_is_rejected(opened):
    opened(OLD).save_token(login("alice"))
    forged = f"{OLD_ID}:{NEW.partition(':')[2]}"
    with sdk_error(MissingKeyError, "different key with the same id"):
        opened(forged).find_token(make_token("alice"))


def test_readable_rows_are_served_until_they_are_saved_if_accepted(opened, database):
    opened().save_tokens([login("alice"), login("bob"), login(refresh_token="nameless")])
    store = opened(OLD, accept_readable=True)
    assert [row["refresh_token"] for row in stored(store)] == [
        row["refresh_token"] for row in stored(store)
    ]
    assert len(stored(store)) == 3
    assert store.find_token(make_token("alice")) is not None
    assert store.find_token(make_token(refresh_token="nameless")) is not None
    token = store.find_token(make_token("alice"))
    SETTERS["access_token"](token, "refreshed")
    store.save_token(token)
    rows = database("select * from oauthtoken where user_name = 'alice'")
    assert [[row[name] for name in SECRETS] for row in rows] == [[None] * 4]
    assert [row["key_id"] for row in rows] == [OLD_ID]
    assert record(store.find_token(make_token("alice"))).access_token == "refreshed"
    assert record(store.find_token(make_token("bob"))).access_token == "1000.access.bob"


def test_a_login_stored_readable_is_not_stored_again(opened):
    opened().save_tokens(
        [login(refresh_token="nameless"), make_token(grant_token="nameless", client_id="c")]
    )
    store = opened(OLD, accept_readable=True)
    store.save_token(login("alice", refresh_token="nameless"))
    store.save_token(make_token(grant_token="nameless", client_id="c", refresh_token="new"))
    assert len(stored(store)) == 2


def test_readable_rows_are_refused_with_the_command_that_encrypts_them(opened):
    opened().save_tokens([login("alice"), login("bob"), login(refresh_token="nameless")])
    before = stored(opened())
    store = opened(OLD)
    for call in (
        lambda: store.find_token(make_token("alice")),
        lambda: store.find_token(make_token(refresh_token="nameless")),
        lambda: store.find_token_by_id(before[0]["id"]),
        lambda: store.save_token(login("alice", access_token="new")),
        store.get_tokens,
    ):
        with sdk_error(NotEncryptedError, "zoho-tokenstore keys encrypt"):
            call()
    with pytest.raises(NotEncryptedError):
        store.save_tokens([login("new"), login(refresh_token="nameless")])
    assert stored(opened()) == before
    assert list(store.iter_tokens(on_error="skip")) == []


def test_a_worker_without_keys_does_not_take_encrypted_tokens_for_unknown(opened):
    plain = opened()
    plain.save_token(login("alice"))
    secrets = {name: known(login("alice"))[name] for name in ("refresh_token", "access_token")}
    for name, secret in secrets.items():
        assert plain.find_token(make_token(**{name: secret})) is not None
    opened(OLD, accept_readable=True).save_token(login("alice"))
    for name, secret in secrets.items():
        with sdk_error(MissingKeyError, "pass keyring"):
            plain.find_token(make_token(**{name: secret}))


@pytest.fixture
def untold():
    """Forget that this process has been warned."""
    tables._warn_once.cache_clear()
    yield
    tables._warn_once.cache_clear()


@pytest.mark.usefixtures("untold")
def test_accepting_readable_rows_gives_one_warning(opened):
    opened().save_token(login("alice"))
    store = opened(OLD, accept_readable=True)
    with pytest.warns(ReadableSecretsWarning, match="keys encrypt"):
        assert store.find_token(make_token("alice")) is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadableSecretsWarning)
        assert store.find_token(make_token("alice")) is not None


def test_the_environment_accepts_readable_rows(opened, url):
    opened().save_token(login("alice"))
    environ = {"ZOHO_TOKENSTORE_URL": url, "ZOHO_TOKENSTORE_KEYS": OLD}
    with SQLAlchemyTokenStore.from_env(environ) as store, sdk_error(NotEncryptedError):
        store.find_token(make_token("alice"))
    accepting = environ | {"ZOHO_TOKENSTORE_ACCEPT_READABLE": "1"}
    with SQLAlchemyTokenStore.from_env(accepting) as store:
        assert store.find_token(make_token("alice")) is not None
    with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_ACCEPT_READABLE is invalid"):
        SQLAlchemyTokenStore.from_env(environ | {"ZOHO_TOKENSTORE_ACCEPT_READABLE": "perhaps"})


def test_a_worker_without_keys_writes_nothing_into_an_encrypted_table(opened, database):
    """It was started before the keys were."""
    old, new = opened(), opened(OLD, accept_readable=True)
    old.save_tokens([login("alice"), login("bob")])
    alice, bob = (old.find_token(make_token(name)) for name in ("alice", "bob"))
    new.save_token(login("alice"))
    before = database("select * from oauthtoken order by id")
    for token in (alice, bob):
        SETTERS["access_token"](token, "overwritten")
    for call in (
        lambda: old.save_token(alice),
        lambda: old.save_token(bob),
        lambda: old.save_token(login("carol")),
        lambda: old.save_token(make_token(grant_token="g", client_id="c")),
    ):
        with sdk_error(MissingKeyError, "pass keyring=") as caught:
            call()
        assert caught.value.cause.key_ids == (OLD_ID,)
    with pytest.raises(MissingKeyError):
        old.save_tokens([login("carol"), login("dave")])
    with sdk_error(DecryptionError, "pass a keyring"):
        old.find_token(make_token("alice"))
    assert database("select * from oauthtoken order by id") == before
    assert known(old.find_token(make_token("bob")))["access_token"] == "1000.access.bob"


def test_a_row_that_does_not_open_is_an_error_and_nothing_else(opened, database):
    store = opened(OLD)
    store.save_tokens([login("alice", grant_token="1000.grant"), login("bob")])
    alice, bob = (record(store.find_token(make_token(name))) for name in ("alice", "bob"))
    (whole,) = database("select sealed from oauthtoken where user_name = 'alice'")
    update = "update oauthtoken set sealed = :v where user_name = 'alice'"
    for damaged in (whole["sealed"][:-4], "", "AAAA", "x" * 100, None):
        database(update, v=damaged)
        before = database("select * from oauthtoken order by id")
        for call in (
            lambda: store.find_token(make_token("alice")),
            lambda: store.find_token_by_id(alice.id),
            lambda: store.find_token(make_token(refresh_token=alice.refresh_token)),
            lambda: store.save_token(login("alice", access_token="new")),
            lambda: store.save_token(sdks.SDK.build_token(alice._replace(client_secret=None))),
        ):
            with sdk_error(DecryptionError, f"token '{alice.id}' cannot be decrypted") as caught:
                call()
            assert caught.value.cause.token_ids == (alice.id,)
        assert database("select * from oauthtoken order by id") == before
        assert record(store.find_token(make_token("bob"))) == bob
    database(update, v=whole["sealed"])
    assert record(store.find_token(make_token("alice"))) == alice


def test_a_login_that_does_not_open_is_not_passed_over_for_another_of_the_user(opened, database):
    store = opened(OLD)
    store.save_tokens([login("alice"), login("alice", client_id="1000.other", refresh_token="o")])
    (damaged,) = database("select id from oauthtoken where client_id = '1000.other'")
    database("update oauthtoken set sealed = 'x' where client_id = '1000.other'")
    for named in ({}, {"client_id": "1000.other"}):
        with sdk_error(DecryptionError, f"token '{damaged['id']}' cannot be decrypted"):
            store.find_token(make_token("alice", **named))
    whole = record(store.find_token(make_token("alice", client_id=LOGIN["client_id"])))
    assert whole.refresh_token == f"{LOGIN['refresh_token']}.alice"


def test_a_refresh_replaces_a_sealed_row(opened):
    store = opened(OLD)
    store.save_token(login("alice", grant_token="1000.grant"))
    token = store.find_token(make_token("alice"))
    SETTERS["access_token"](token, "1000.new")
    store.save_token(token)
    assert record(store.find_token(make_token("alice"))) == record(token)


@pytest.mark.parametrize("shared", ["refresh_token", "grant_token"])
def test_a_new_login_that_shares_a_token_is_no_second_row(opened, shared):
    store = opened(OLD)
    store.save_token(login(**{"refresh_token": "1000.own"} | {shared: "1000.shared"}))
    store.save_token(login("alice", **{shared: "1000.shared"}))
    (row,) = stored(store)
    assert (row["user_name"], row[shared]) == ("alice", "1000.shared")


@pytest.mark.parametrize("lost", ["client_secret", "grant_token", "api_domain", "redirect_url"])
def test_a_refresh_that_lacks_what_is_stored_loses_nothing(opened, lost):
    store = opened(OLD)
    store.save_token(login("alice", grant_token="1000.grant"))
    before = record(store.find_token(make_token("alice")))
    partial = before._replace(access_token="1000.new", **{lost: None})
    store.save_token(sdks.SDK.build_token(partial))
    after = record(store.find_token(make_token("alice")))
    assert after == before._replace(access_token="1000.new")
    assert record(store.find_token(make_token(access_token="1000.new"))) == after


def test_unreadable_tokens_are_named_or_left_out(opened, database, caplog):
    store = opened(OLD)
    store.save_tokens([login(name) for name in ("alice", "bob", "carol", "dave")])
    bad = sorted(known(store.find_token(make_token(name)))["id"] for name in ("alice", "carol"))
    database("update oauthtoken set sealed = 'x' where user_name in ('alice', 'carol')")
    with sdk_error(DecryptionError, "2 stored tokens cannot be read") as caught:
        store.get_tokens()
    assert sorted(caught.value.cause.token_ids) == bad
    assert all(key in str(caught.value.cause) for key in bad)
    with pytest.raises(DecryptionError):
        list(store.iter_tokens())
    good = {record(token).user_name for token in store.iter_tokens(on_error="skip")}
    assert good == {"bob", "dave"}
    assert all(key in caplog.text for key in bad)
    with pytest.raises(ConfigurationError, match="on_error"):
        store.iter_tokens(on_error="ignore")


def test_ten_of_many_unreadable_tokens_are_named(opened, database):
    store = opened(OLD)
    store.save_tokens([login(f"user{n}", client_id=f"1000.{n}") for n in range(11)])
    ids = [known(token)["id"] for token in store.get_tokens()]
    database("update oauthtoken set sealed = 'x'")
    for goes_on in (True, False):
        with sdk_error(DecryptionError, f"{len(ids)} stored tokens cannot be read") as caught:
            store.get_tokens()
        named, _, _ = str(caught.value.cause).partition(":")
        assert sum(repr(key) in named for key in ids) == 10
        assert named.endswith(", …)") is goes_on
        store.delete_token(ids.pop())


def test_workers_with_the_old_and_the_new_list_share_every_row(opened):
    """From one step of a rotation to the next, both kinds of workers run."""
    steps = [(OLD,), (OLD, NEW), (NEW, OLD)]
    for before, after in pairwise(steps):
        old, new = opened(*before), opened(*after)
        old.delete_tokens()
        old.save_tokens([login("alice"), login(refresh_token="nameless")])
        new.save_token(login("alice", access_token="by the new one"))
        new.save_token(login("bob"))
        new.save_token(login(refresh_token="nameless", access_token="by the new one"))
        for store in (new,) if NEW not in before and after[0] == NEW else (old, new):
            assert len(stored(store)) == 3
            assert record(store.find_token(make_token("alice"))).access_token == "by the new one"
            nameless = store.find_token(make_token(refresh_token="nameless"))
            assert record(nameless).access_token == "by the new one"
        old.save_token(login("bob", access_token="by the old one"))
        assert len(stored(new)) == 3
        assert record(new.find_token(make_token("bob"))).access_token == "by the old one"


def test_two_first_keys_at_once_make_one_index(opened):
    one, other = opened(OLD, NEW), opened(NEW, OLD)
    one.save_token(login(refresh_token="shared"))
    assert other.find_token(make_token(refresh_token="shared")) is not None
    other.save_token(login(refresh_token="shared", access_token="newer"))
    assert len(stored(one)) == 1


def open_and_save(url, keys, name):
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(keys)) as store:
        store.save_token(login(name))
        store.save_token(login(refresh_token="shared by all", access_token=name))


def test_processes_that_encrypt_a_new_table_at_once_agree(crowd, url):
    lists = [f"{OLD},{NEW}", f"{NEW},{OLD}"]
    crowd.run(open_and_save, [(url, lists[n % 2], f"user {n}") for n in range(12)])
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(lists[0])) as store:
        assert len(stored(store)) == 13
        assert store.find_token(make_token(refresh_token="shared by all")) is not None


@pytest.mark.usefixtures("untold")
def test_without_keys_a_warning_names_the_callers_line_once_a_process(sqlite_url):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        with pytest.warns(ReadableSecretsWarning, match="keys generate") as caught:
            store.save_token(login("alice"))
        assert [warning.filename for warning in caught] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReadableSecretsWarning)
            store.save_token(login("bob"))
            with SQLAlchemyTokenStore(sqlite_url) as another:
                another.save_token(login("carol"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadableSecretsWarning)
        with SQLAlchemyTokenStore(
            sqlite_url.replace("tokens", "others"), keyring=Keyring.from_text(KEY)
        ) as store:
            store.save_token(login("alice"))


@pytest.mark.usefixtures("untold")
def test_a_database_in_memory_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with SQLAlchemyTokenStore("sqlite://") as store:
            store.save_token(login("alice"))
            assert store.find_token(make_token("alice")) is not None


@pytest.mark.usefixtures("untold")
def test_a_warning_names_the_line_that_has_called_the_sdk(sqlite_url, zoho, tmp_path):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        with pytest.warns(ReadableSecretsWarning) as caught:
            Application(zoho, store, tmp_path).log_in("alice@example.com")
        names = {warning.filename for warning in caught}
    assert all("zoho_tokenstore/" not in name and "zohocrmsdk" not in name for name in names)
