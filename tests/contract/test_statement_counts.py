"""What each operation sends, in statements: a network's round trips are what it costs."""

import pytest
from sqlalchemy import Engine, event

from sdks import SETTERS
from support import KEY, login, make_token
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

FRAME = ("BEGIN", "START TRANSACTION", "COMMIT")


@pytest.fixture(params=[True, False], ids=["audit", "no audit"])
def audit(request):
    return request.param


@pytest.fixture(params=[None, KEY], ids=["readable", "encrypted"])
def keyring(request):
    return request.param and Keyring.from_text(request.param)


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def store(url, audit, keyring):
    with SQLAlchemyTokenStore(url, audit=audit, keyring=keyring) as store:
        store.save_token(login("alice"))
        yield store


@pytest.fixture
def sent():
    """The statements that any engine sends, from now on."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def kinds_of(sent):
    """Return the first word of each statement but those around a transaction."""
    return [statement.split()[0] for statement in sent if not statement.startswith(FRAME)]


def test_a_lookup_is_one_statement_found_or_not(store, sent):
    assert store.find_token(make_token("alice")) is not None
    assert store.find_token(make_token("nobody")) is None
    assert store.find_token_by_id("unknown") is None
    assert kinds_of(sent) == ["SELECT"] * 3
    assert len(sent) == 3


def test_a_refreshed_token_is_one_update_and_an_entry_in_the_audit(store, sent, audit):
    token = store.find_token(make_token("alice"))
    sent.clear()
    SETTERS["access_token"](token, "refreshed")
    store.save_token(token)
    kinds = kinds_of(sent)
    if kinds == ["WITH"]:  # both in one
        assert audit
        assert "_audit" in sent[0]
    else:
        assert kinds == ["UPDATE", "INSERT"][: 1 + audit]
        assert any("_audit" in statement for statement in sent) is audit
    # A statement alone is a transaction.
    assert len(sent) == (4 if len(kinds) > 1 else 1)


def check_insert(sent, audit):
    kinds = kinds_of(sent)
    assert len(sent) == 2 + len(kinds)
    if audit:
        assert kinds.pop() == "INSERT"
        assert "_audit" in sent[-2]
    assert kinds in (["INSERT"], ["INSERT", "SELECT"])


def test_a_new_user_is_one_insert_whose_id_is_read_at_most_once(store, sent, audit):
    store.save_token(login("bob"))
    check_insert(sent, audit)


@pytest.mark.parametrize("keyring", [None], indirect=True)
def test_another_login_is_one_upsert_whose_id_is_read_at_most_once(store, sent, audit):
    store.save_token(login("alice", refresh_token="new"))
    check_insert(sent, audit)
