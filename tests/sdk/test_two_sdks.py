"""Both SDKs in one process and one database: an application that moves from one to the other."""

import importlib.util
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import TokenTypeError

ALICE = "alice@example.com"
HELPERS = Path(__file__).parents[1] / "sdks.py"

pytestmark = pytest.mark.skipif(
    not (find_spec("zcrmsdk") and find_spec("zohocrmsdk")),
    reason="zcrmsdk and zohocrmsdk are not both installed: nox -s sdk_both",
)


@pytest.fixture
def helpers_for(monkeypatch):
    """Load the helpers a second time, for the other SDK."""

    def load_for(package):
        monkeypatch.setenv("TEST_SDK", package)
        spec = importlib.util.spec_from_file_location(f"sdks_for_{package}", HELPERS)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load_for


@pytest.fixture
def two(helpers_for, zoho, sqlite_url, tmp_path):
    """An application on each SDK, with a store of its own on the same database."""
    old, new = helpers_for("zcrmsdk"), helpers_for("zohocrmsdk")
    with (
        SQLAlchemyTokenStore(sqlite_url, sdk="zcrmsdk") as old_store,
        SQLAlchemyTokenStore(sqlite_url, sdk="zohocrmsdk") as new_store,
    ):
        yield (
            (old, old.Application(zoho, old_store, tmp_path)),
            (new, new.Application(zoho, new_store, tmp_path)),
        )


def test_an_application_that_moves_finds_its_users(two, zoho):
    (_, before), (new, after) = two
    before.log_in(ALICE)
    (stored,) = after.store.get_tokens()
    for token in (
        new.OAuthToken(user_signature=new.UserSignature(ALICE)),
        new.new_token(refresh_token=stored.get_refresh_token()),
        new.OAuthToken(id=stored.get_id()),
        stored,
    ):
        assert after.visit(token, ALICE) == ALICE
    assert before.read_record() == ALICE, "both go on side by side"
    assert (zoho.count("grant"), zoho.count("refresh")) == (1, 0)
    assert len(before.store.get_tokens()) == len(after.store.get_tokens()) == 1


def test_each_sees_what_the_other_has_refreshed(two, zoho):
    (old, before), (new, after) = two
    zoho.accounts.lifetime = 5.0
    before.log_in(ALICE)
    zoho.accounts.lifetime = 3600.0
    refreshes = zoho.count("refresh")
    after.visit(new.OAuthToken(user_signature=new.UserSignature(ALICE)), ALICE)
    (row,) = before.store.get_tokens()
    assert before.visit(old.new_token(refresh_token=row.refresh_token), ALICE) == ALICE
    assert zoho.count("refresh") == refreshes + 1


def test_a_store_of_the_one_says_so_when_it_is_given_the_other(two):
    (old, before), (_, after) = two
    token = old.new_token(refresh_token="r")
    with pytest.raises(Exception, match="zohocrmsdk's OAuthToken, got zcrmsdk's OAuthToken") as e:
        after.store.find_token(token)
    assert isinstance(e.value.cause, TokenTypeError)
    before.store.save_token(old.UserSignature(ALICE), token)
    assert [t.get_user_signature().get_name() for t in after.store.get_tokens()] == [ALICE]
