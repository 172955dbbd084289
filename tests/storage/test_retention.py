"""``TokenPolicy``: what is too old or idle is not served and goes; what is used or new stays."""

import math
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, insert, select, update

from sdks import SETTERS
from support import KEY, execute, known, login, make_token, record, stored
from zoho_tokenstore import Keyring, OAuthTokenRow, SQLAlchemyTokenStore, TokenPolicy
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.tokens.digests import digest

TABLE = OAuthTokenRow.__table__
AUDIT, LEASES = companion_table(TABLE, "audit"), companion_table(TABLE, "lease")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_AGE = TokenPolicy(max_age=DAY)
MAX_IDLE = TokenPolicy(max_idle=DAY)


@pytest.fixture
def url(shared_url):
    return shared_url


def opened(url, policy=None, keys=""):
    keyring = Keyring.from_text(keys) if keys else None
    return SQLAlchemyTokenStore(url, policy=policy, keyring=keyring)


@pytest.fixture
def store(url):
    """A store without a policy, with the tokens of Alice and Bob."""
    with opened(url) as store:
        store.save_tokens([login("alice"), login("bob")])
        yield store


def move(url, ago, *columns, user="alice"):
    """Make it so long ago that something happened to a user's token."""
    then = datetime.now(UTC) - ago
    values = dict.fromkeys(columns, then)
    execute(url, update(TABLE).where(TABLE.c.user_name == user).values(values))


def times(url, user="alice"):
    ((*found,),) = execute(
        url,
        select(TABLE.c.created_at, TABLE.c.login_at, TABLE.c.used_at).where(
            TABLE.c.user_name == user
        ),
    )
    return dict(zip(("created_at", "login_at", "used_at"), found, strict=True))


def users(store):
    return {row["user_name"] for row in stored(store)}


def expired(url):
    """Return whose tokens the audit says have gone by a policy."""
    gone = select(AUDIT.c.user_name).where(AUDIT.c.event == "policy-expired")
    return [user for (user,) in execute(url, gone)]


@pytest.fixture
def sent():
    """The statements that any engine sends, from now on."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        if not statement.startswith(("BEGIN", "START TRANSACTION")):
            statements.append(statement.split()[0])

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("name", ["max_age", "max_idle"])
def test_a_time_is_a_timedelta_or_seconds(name):
    for given in (timedelta(seconds=90), 90, 90.0):
        policy = TokenPolicy(**{name: given})
        assert policy == TokenPolicy(**{name: timedelta(seconds=90)})
        assert getattr(policy, name) == timedelta(seconds=90)
    assert getattr(TokenPolicy(), name) is None


@pytest.mark.parametrize("name", ["max_age", "max_idle"])
@pytest.mark.parametrize(
    "value",
    [0, -1, 0.0, math.nan, math.inf, True, "90", b"90", timedelta(0), timedelta(days=-1)],
    ids=repr,
)
def test_what_is_no_positive_time_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=rf"TokenPolicy\({name}="):
        TokenPolicy(**{name: value})


@pytest.mark.parametrize("name", ["max_age", "max_idle"])
@pytest.mark.parametrize("value", [1e300, 1e12, timedelta.max], ids=repr)
def test_a_time_before_the_calendar_begins_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=rf"TokenPolicy\({name}="):
        TokenPolicy(**{name: value})


@pytest.mark.parametrize(
    "serve",
    [
        lambda store, _: store.find_token(make_token("alice")),
        lambda store, _: store.find_token(make_token(refresh_token="1000.refresh.alice")),
        lambda store, key: store.find_token_by_id(key),
        lambda store, _: [t for t in store.get_tokens() if record(t).user_name == "alice"],
        lambda store, _: [t for t in store.iter_tokens() if record(t).user_name == "alice"],
    ],
    ids=["find_token", "by refresh token", "find_token_by_id", "get_tokens", "iter_tokens"],
)
def test_a_token_that_is_too_old_is_not_served_and_goes_with_its_lease(url, serve):
    with opened(url) as store, opened(url, MAX_AGE) as strict:
        tokens = [login("alice"), login("bob")]
        store.save_tokens(tokens)
        alice, bob = (known(token)["id"] for token in tokens)
        lease = {"version": 1, "until": 0, "retry_at": 0}
        rows = [{"key_digest": digest("id", key)} | lease for key in (alice, bob)]
        execute(url, insert(LEASES).values(rows))
        move(url, DAY - HOUR, "created_at")
        assert serve(strict, alice)
        move(url, DAY + HOUR, "created_at")
        for _ in range(2):
            assert not serve(strict, alice)
            assert [row["user_name"] for row in stored(store)] == ["bob"]
    assert execute(url, select(LEASES.c.key_digest)) == [(digest("id", bob),)]
    assert expired(url) == ["alice"]


def test_a_token_that_is_not_asked_for_stays_when_another_is_looked_up(url, store):
    for user in ("alice", "bob"):
        move(url, 2 * DAY, "created_at", user=user)
    with opened(url, MAX_AGE) as strict:
        assert strict.find_token(make_token("alice")) is None
        assert users(store) == {"bob"}
        assert strict.find_token(make_token("alice", client_id="another")) is None
        assert strict.find_token(make_token("nobody")) is None
        assert users(store) == {"bob"}
        assert strict.get_tokens() == []
    assert users(store) == set()
    assert sorted(expired(url)) == ["alice", "bob"]


def save_alone(store, token):
    store.save_token(token)


def save_in_a_batch(store, token):
    store.save_tokens([login("carol", access_token="hers"), token])


def save_what_was_found(store, token):
    found = store.find_token(make_token("alice"))
    for name in ("refresh_token", "access_token"):
        if value := known(token).get(name):
            SETTERS[name](found, value)
    store.save_token(found)


WAYS = pytest.mark.parametrize(
    ("save", "keys"),
    [(save_alone, ""), (save_in_a_batch, ""), (save_what_was_found, ""), (save_alone, KEY)],
    ids=["alone", "in a batch", "as found", "encrypted"],
)


@WAYS
def test_the_age_begins_anew_with_a_new_login_and_with_nothing_else(url, save, keys):
    with opened(url, keys=keys) as store, opened(url, MAX_AGE, keys) as strict:
        store.save_tokens([login("alice", access_token="first"), login("bob")])
        move(url, 2 * DAY, "created_at")
        save(store, login("alice", access_token="again"))
        assert times(url)["login_at"] is None
        save(store, login("alice", access_token="anew", refresh_token="of another login"))
        assert times(url)["login_at"] > datetime.now(UTC) - HOUR
        assert record(strict.find_token(make_token("alice"))).access_token == "anew"
        move(url, DAY - HOUR, "login_at")
        save(store, login("alice", access_token="later", refresh_token="of another login"))
        assert len(strict.get_tokens()) == len(stored(store))
        move(url, DAY + HOUR, "login_at")
        save(store, login("alice", access_token="latest", refresh_token="of another login"))
        assert strict.find_token(make_token("alice")) is None
        assert "alice" not in users(store)
    assert expired(url) == ["alice"]


@WAYS
def test_an_access_token_alone_is_a_login(url, save, keys):
    def access_only(access_token, **changes):
        return make_token("alice", client_id="c", access_token=access_token, **changes)

    with opened(url, keys=keys) as store, opened(url, MAX_AGE, keys) as strict:
        store.save_tokens([access_only("first"), login("bob")])
        move(url, 2 * DAY, "created_at")
        save(store, access_only("first", expiry="1"))
        assert times(url)["login_at"] is None
        save(store, access_only("second"))
        assert record(strict.find_token(make_token("alice"))).access_token == "second"
        move(url, 2 * DAY, "login_at")
        assert strict.find_token(make_token("alice")) is None
    assert expired(url) == ["alice"]


def test_a_login_that_a_user_takes_over_begins_the_users_age_anew(url, store):
    store.save_token(login(refresh_token="new"))
    move(url, 2 * DAY, "created_at")
    store.save_token(login("alice", refresh_token="new"))
    with opened(url, MAX_AGE) as strict:
        assert strict.find_token(make_token("alice")) is not None
    assert users(store) == {"alice", "bob"}


def test_a_user_who_logs_in_just_then_is_not_deleted(url, store, monkeypatch):
    move(url, 2 * DAY, "created_at")
    logins = [login("alice", refresh_token="of another login")]
    with opened(url, MAX_AGE) as strict:
        assert strict.find_token(make_token("bob")) is not None
        find = strict._opened.tables.tokens.find_outdated_ids

        def meanwhile(session, token):
            found = find(session, token)
            if logins:
                store.save_token(logins.pop())
            return found

        monkeypatch.setattr(strict._opened.tables.tokens, "find_outdated_ids", meanwhile)
        strict.find_token(make_token("alice"))
        found = strict.find_token(make_token("alice"))
    assert record(found).refresh_token == "of another login"
    assert expired(url) == []


def test_a_token_is_idle_when_it_is_neither_saved_nor_found(url, store):
    move(url, DAY + HOUR, "created_at", "updated_at")
    move(url, 100 * DAY, "created_at", "login_at", user="bob")
    with opened(url, MAX_IDLE) as strict:
        assert strict.find_token(make_token("alice")) is None
        assert strict.find_token(make_token("bob")) is not None
    assert users(store) == {"bob"}
    assert expired(url) == ["alice"]


def test_finding_keeps_a_token_alive_and_so_does_saving(url, store):
    for user in ("alice", "bob"):
        move(url, DAY - HOUR, "created_at", "updated_at", user=user)
    with opened(url, MAX_IDLE) as strict:
        key = known(strict.find_token(make_token("alice")))["id"]
    assert times(url)["used_at"] > datetime.now(UTC) - HOUR
    store.save_token(login("bob", access_token="again"))
    assert times(url, "bob")["used_at"] is None
    move(url, 10 * DAY, "updated_at")
    with opened(url, MAX_IDLE) as strict:
        assert len(strict.get_tokens()) == 2
        assert strict.find_token_by_id(key) is not None
        move(url, DAY + HOUR, "used_at")
        move(url, 10 * DAY, "used_at", user="bob")
        assert [known(token)["user_name"] for token in strict.iter_tokens()] == ["bob"]
    assert expired(url) == ["alice"]


@pytest.mark.usefixtures("store")
def test_many_finds_are_one_write(url, sent):
    with opened(url, MAX_IDLE) as strict:
        key = known(strict.find_token(make_token("alice")))["id"]
        sent.clear()
        for _ in range(50):
            assert strict.find_token(make_token("alice")) is not None
            assert strict.find_token_by_id(key) is not None
        assert sent == ["SELECT"] * 100
        strict.find_token(make_token("bob"))
        assert sent[100:] == ["SELECT", "UPDATE"]
    noted = times(url)["used_at"]
    with opened(url, MAX_IDLE) as another:
        another.find_token(make_token("alice"))
    assert times(url)["used_at"] == noted
    move(url, DAY / 10, "used_at")
    with opened(url, MAX_IDLE) as another:
        another.find_token(make_token("alice"))
    assert times(url)["used_at"] >= noted


@pytest.mark.usefixtures("store")
def test_a_use_is_noted_again_after_a_while(url, sent, monkeypatch):
    with opened(url, MAX_IDLE) as strict:
        assert strict.find_token(make_token("alice")) is not None
        move(url, 2 * HOUR, "used_at")
        sent.clear()
        assert strict.find_token(make_token("alice")) is not None
        assert sent == ["SELECT"]
        later = time.monotonic() + 2 * 3600
        monkeypatch.setattr(time, "monotonic", lambda: later)
        for _ in range(2):
            assert strict.find_token(make_token("alice")) is not None
        clocks_compared = ["SELECT"]
        assert sent[1:] == ["SELECT", "UPDATE", *clocks_compared, "SELECT"]
    assert times(url)["used_at"] > datetime.now(UTC) - HOUR


@pytest.mark.usefixtures("store")
def test_a_hit_with_a_policy_is_one_statement(url, sent):
    with opened(url, TokenPolicy(max_age=DAY, max_idle=DAY)) as strict:
        key = known(strict.find_token(make_token("alice")))["id"]
        sent.clear()
        assert strict.find_token(make_token("alice")) is not None
        assert strict.find_token_by_id(key) is not None
        assert strict.find_token(make_token(refresh_token="1000.refresh.alice")) is not None
        assert sent == ["SELECT"] * 3


def test_a_store_without_a_policy_serves_everything_and_writes_nothing(url, store, sent):
    move(url, 10_000 * DAY, "created_at", "login_at", "updated_at", "used_at")
    key = known(store.find_token(make_token("alice")))["id"]
    sent.clear()
    assert store.find_token(make_token("alice")) is not None
    assert store.find_token_by_id(key) is not None
    assert store.find_token(make_token("nobody")) is None
    assert len(store.get_tokens()) == len(list(store.iter_tokens())) == 2
    assert set(sent) == {"SELECT"}
    assert expired(url) == []


def test_both_limits_hold(url, store):
    store.save_token(login("carol"))
    move(url, 2 * DAY, "created_at")
    move(url, 2 * HOUR, "updated_at", user="bob")
    with opened(url, TokenPolicy(max_age=DAY, max_idle=HOUR)) as strict:
        assert [known(token)["user_name"] for token in strict.get_tokens()] == ["carol"]
    assert sorted(expired(url)) == ["alice", "bob"]


def test_more_tokens_than_a_page_go_at_once(url, store):
    names = [f"user {number}" for number in range(900)]
    store.save_tokens(map(login, names))
    then = datetime.now(UTC) - 2 * DAY
    execute(url, update(TABLE).where(TABLE.c.user_name != "bob").values(created_at=then))
    with opened(url, MAX_AGE) as strict:
        assert [known(token)["user_name"] for token in strict.get_tokens()] == ["bob"]
    assert users(store) == {"bob"}
    assert sorted(expired(url)) == sorted(["alice", *names])
