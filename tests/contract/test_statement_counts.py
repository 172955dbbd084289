"""What each operation sends, in statements: a network's round trips are what it costs."""

import pytest
from sqlalchemy import Engine, event

from sdks import SETTERS
from support import login, make_token
from zoho_tokenstore import SQLAlchemyTokenStore

FRAME = ("BEGIN", "START TRANSACTION", "COMMIT")


@pytest.fixture(params=[True, False], ids=["audit", "no audit"])
def audit(request):
    return request.param


@pytest.fixture
def store(url, audit):
    with SQLAlchemyTokenStore(url, audit=audit) as store:
        store.save_token(login("alice"))
        yield store


@pytest.fixture
def sent():
    """The statements that any engine sends, from now on."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        if not statement.startswith(FRAME):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def test_a_lookup_is_one_statement_found_or_not(store, sent):
    assert store.find_token(make_token("alice")) is not None
    assert store.find_token(make_token("nobody")) is None
    assert store.find_token_by_id("unknown") is None
    assert [statement.split()[0] for statement in sent] == ["SELECT"] * 3


def test_a_refreshed_token_is_one_update_and_an_entry_in_the_audit(store, sent, audit):
    token = store.find_token(make_token("alice"))
    sent.clear()
    SETTERS["access_token"](token, "refreshed")
    store.save_token(token)
    kinds = [statement.split()[0] for statement in sent]
    if kinds != ["WITH"]:  # both in one
        assert kinds == ["UPDATE", "INSERT"][: 1 + audit]
    assert ("_audit" in sent[-1]) is audit


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_any_other_token_is_one_upsert_and_its_id_is_read_at_most_once(store, sent, user, audit):
    store.save_token(login(user, refresh_token="new"))
    kinds = [statement.split()[0] for statement in sent]
    if audit:
        assert kinds.pop() == "INSERT"
        assert "_audit" in sent[-1]
    assert kinds in (["INSERT"], ["INSERT", "SELECT"])
