"""A save that changes the API domain of a stored token says so."""

import logging

import pytest

from sdks import SETTERS
from support import LOGIN, known, login, make_token, stored
from zoho_tokenstore.storage.batches import PAGE_SIZE

STORES = ("memory", "encrypted", "sqlite", "postgresql", "mariadb", "mysql")
EU, IN = LOGIN["api_domain"], "https://www.zohoapis.in"

pytestmark = pytest.mark.skipif("api_domain" not in SETTERS, reason="this SDK's tokens have none")


@pytest.fixture
def warnings(caplog):
    """Return the messages about domains since the last call."""

    def warnings():
        messages = [message for message in caplog.messages if "API domain" in message]
        caplog.clear()
        return messages

    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        yield warnings


def refreshed(store, **changes):
    """Return the stored token as the SDK saves it after a refresh."""
    token = store.find_token(make_token("alice"))
    for name, value in ({"access_token": "1000.refreshed"} | changes).items():
        SETTERS[name](token, value)
    return token


SAVES = {
    "a refresh": lambda store, domain: store.save_token(refreshed(store, api_domain=domain)),
    "a login": lambda store, domain: store.save_token(
        login("alice", refresh_token="1000.another", api_domain=domain)
    ),
    "many": lambda store, domain: store.save_tokens(
        [login("bob"), login("alice", api_domain=domain)]
    ),
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
@pytest.mark.parametrize("domain", [IN, EU.upper(), EU + " "])
def test_a_save_that_changes_it_is_stored_and_logged_once(store, warnings, save, domain):
    store.save_token(login("alice"))
    save(store, domain)
    (alice,) = [row for row in stored(store) if row["user_name"] == "alice"]
    assert alice["api_domain"] == domain
    (message,) = warnings()
    assert alice["id"] in message
    assert f"from {EU} to {domain}" in message
    save(store, domain)
    assert warnings() == []


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
@pytest.mark.parametrize(("before", "after"), [(EU, EU), (EU, None), (None, IN), ("", IN)])
def test_the_first_one_and_the_same_one_are_no_change(store, warnings, save, before, after):
    store.save_token(login("alice", api_domain=before))
    save(store, after)
    (alice,) = [row for row in stored(store) if row["user_name"] == "alice"]
    assert alice["api_domain"] == (after or before)
    assert warnings() == []


def test_a_save_that_fails_says_nothing(store, warnings):
    store.save_token(login("alice"))
    before = known(store.find_token(make_token("alice")))
    others = [login(f"user {number}") for number in range(PAGE_SIZE)]
    tokens = [login("alice", api_domain=IN), *others, login("bob", id=before["id"])]
    with pytest.raises(Exception, match="belongs to another"):
        store.save_tokens(tokens)
    assert stored(store) == [before]
    assert warnings() == []
