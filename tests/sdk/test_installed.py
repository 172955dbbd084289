"""Which SDK a store is bound to, and what is said when it cannot be."""

from importlib import import_module
from types import SimpleNamespace

import pytest

from sdks import PACKAGE, SDK
from support import logged_in, login
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import ConfigurationError, MissingSDKError
from zoho_tokenstore.sdk import installed, load


@pytest.fixture
def find(monkeypatch):
    """Choose which packages are found; forget what was bound before and after."""
    installed._bind.cache_clear()

    def find(*packages):
        monkeypatch.setattr(installed, "find_spec", lambda name: name in packages or None)

    yield find
    installed._bind.cache_clear()


@pytest.fixture
def token_store_module(find, monkeypatch):
    """Put something in the place of the SDK's token store module."""

    def replace(replacement):
        def load_module(name):
            if name.endswith("token_store"):
                return replacement(name)
            return import_module(name)

        find(PACKAGE)
        monkeypatch.setattr(installed, "import_module", load_module)

    return replace


def test_the_only_sdk_that_is_installed_is_used(find):
    find(PACKAGE)
    assert load() is load(PACKAGE)
    assert load().contract == SDK.contract


def test_without_an_sdk_access_tokens_are_handed_out(find, sqlite_url, zoho):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        logged_in(zoho, store, "alice", expiry="1000")
    find()
    with SQLAlchemyTokenStore(sqlite_url, accounts_url=zoho.accounts_url) as store:
        token = store.access_token("alice")
        store.invalidate(token)
        assert store.access_token("alice").value != token.value
    assert zoho.count("refresh") == 2


CALLS = {
    "find_token": lambda store: store.find_token(login("alice")),
    "save_token": lambda store: store.save_token(login("alice")),
    "save_tokens": lambda store: store.save_tokens([login("alice")]),
    "get_tokens": lambda store: store.get_tokens(),
    "iter_tokens": lambda store: next(store.iter_tokens()),
    "acting_as": lambda store: store.acting_as("alice").__enter__(),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_an_sdk_the_error_of_its_calls_names_the_extra(find, sqlite_url, call):
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice"))
    find()
    store = SQLAlchemyTokenStore(sqlite_url)
    with store, pytest.raises(MissingSDKError, match=r"no Zoho CRM SDK .*tokenstore\[sdk8-0\]"):
        CALLS[call](store)


def test_an_sdk_that_is_asked_for_and_not_installed_is_named(find):
    find()
    with pytest.raises(MissingSDKError, match="zcrmsdk is not installed"):
        SQLAlchemyTokenStore("sqlite://", sdk="zcrmsdk")


def test_where_both_are_installed_one_has_to_be_chosen(find):
    find("zcrmsdk", "zohocrmsdk")
    with pytest.raises(ConfigurationError, match="pass sdk='zcrmsdk' or sdk='zohocrmsdk'"):
        SQLAlchemyTokenStore("sqlite://")
    assert SQLAlchemyTokenStore("sqlite://", sdk=PACKAGE)


@pytest.mark.parametrize("sdk", ["zohocrmsdk8-0", "", 8])
def test_a_name_that_is_no_package_is_refused(sdk):
    with pytest.raises(ConfigurationError, match="must be 'zcrmsdk' or 'zohocrmsdk'"):
        SQLAlchemyTokenStore("sqlite://", sdk=sdk)


def test_an_sdk_that_cannot_be_imported_says_why(token_store_module):
    def fail(_):
        raise ImportError("No module named 'mysql'")

    token_store_module(fail)
    with pytest.raises(MissingSDKError, match=r"No module named 'mysql'.*sdk5-0"):
        SQLAlchemyTokenStore("sqlite://")


def test_an_sdk_with_another_contract_is_refused(token_store_module):
    token_store_module(lambda _: SimpleNamespace(TokenStore=object))
    with pytest.raises(MissingSDKError, match="unknown kind of token store"):
        SQLAlchemyTokenStore("sqlite://")
