"""What cannot be stored is refused with the right error, and nothing changes."""

from traceback import format_exception

import pytest

from sdks import OAuthToken, SDKException
from support import expires_in, login, make_token, record, sdk_error, stored
from zoho_tokenstore.errors import ConfigurationError, InvalidTokenError, TokenTypeError


@pytest.mark.parametrize("thing", [None, "token", 5, object(), {"id": "1"}])
def test_a_thing_that_is_no_token_is_an_error_never_a_silent_return(store, thing):
    for method in (store.find_token, store.save_token):
        with sdk_error(TokenTypeError, "OAuthToken, got"):
            method(thing)
    with pytest.raises(TokenTypeError):
        store.save_tokens([thing])


@pytest.mark.parametrize(
    "token",
    [
        make_token(),
        make_token("alice"),
        make_token(id="5"),
        make_token("alice", client_id="c", client_secret="s", expiry="5"),
        make_token("alice", access_token="", refresh_token="", grant_token=""),
    ],
)
def test_a_token_with_nothing_to_store_is_refused(store, token):
    store.save_token(login("alice"))
    before = stored(store)
    with sdk_error(InvalidTokenError, "the token is empty"):
        store.save_token(token)
    assert stored(store) == before


@pytest.mark.parametrize(
    "expiry",
    [
        *["soon", "12.5", "-1", " 12", "1e3", "None", -1, 1.5, True, 2**63, str(2**63), []],
        pytest.param("٣", id="an Arabic digit"),
        pytest.param("12\n", id="a newline"),
    ],
    ids=repr,
)
def test_garbage_in_the_expiry_is_refused_before_anything_is_written(store, expiry):
    store.save_token(login("alice"))
    before = stored(store)
    with sdk_error(InvalidTokenError, "epoch milliseconds"):
        store.save_token(login("alice", expiry=expiry, access_token="new"))
    assert stored(store) == before


@pytest.mark.parametrize("expiry", ["0", 0, "1767225600000", 1767225600000, 2**63 - 1], ids=repr)
def test_an_expiry_may_be_digits_or_a_whole_number(store, expiry):
    token = login("alice", expiry=expiry)
    store.save_token(token)
    assert expires_in(store.find_token_by_id(record(token).id)) == str(expiry)


@pytest.mark.parametrize("key", [None, 5, b"5", ["5"]], ids=repr)
def test_an_id_that_is_not_text_is_an_error(store, key):
    with sdk_error(TokenTypeError, "the id must be text"):
        store.delete_token(key)
    with sdk_error(TokenTypeError, "the id must be text"):
        store.find_token_by_id(key)


@pytest.mark.parametrize("clients", [["1000.C"], ["1000.C", "1000.D"]], ids=["one", "two"])
def test_a_name_is_no_id(store, clients):
    name = "alice@example.com:60001"
    store.save_tokens([login(name, client_id=client) for client in clients])
    with sdk_error(InvalidTokenError, f"'{name}' is the name of a user, not the id of a token"):
        store.delete_token(name)
    assert len(stored(store)) == len(clients)


def test_a_mail_address_alone_is_no_id_and_names_the_users_that_have_it(store):
    names = ["alice@example.com:60001", "alice@example.com:60002"]
    others = ["alice@example.community:60003", "Alice@example.com:9", "a_b@example.com:5"]
    store.save_tokens([login(name) for name in names + others])
    for wanted in ("alice@example.com", make_token("alice@example.com")):
        with sdk_error(InvalidTokenError, f"mail address of {names[0]!r}, {names[1]!r}") as caught:
            store.delete_token(wanted)
        assert "pass the id that the store has set on the token" in str(caught.value)
    for unknown in ("axb@example.com", make_token("axb@example.com"), "alice", names[0][:-1]):
        store.delete_token(unknown)
    assert len(stored(store)) == len(names + others)


@pytest.mark.parametrize("field", ["id", "client_id", "access_token", "redirect_url"])
def test_a_field_that_is_not_text_is_named(store, field):
    with sdk_error(TokenTypeError, f"{field} must be text, not int"):
        store.save_token(login("alice", **{field: 5}))
    assert stored(store) == []


@pytest.mark.parametrize("text", ["nul\x00", "half \ud83d of a pair"])
def test_text_that_not_every_database_can_store_is_refused_without_showing_it(store, text):
    with sdk_error(InvalidTokenError, "refresh_token") as caught:
        store.save_token(login("alice", refresh_token=f"secret {text}"))
    shown = "".join(format_exception(caught.value))
    assert f"secret {text[:4]}" not in shown
    with sdk_error(InvalidTokenError):
        store.find_token(make_token(text))
    with sdk_error(InvalidTokenError):
        store.find_token_by_id(text)
    assert stored(store) == []


def test_a_token_made_without_its_constructor_is_refused(store):
    with sdk_error(InvalidTokenError, "without its constructor"):
        store.save_token(object.__new__(OAuthToken))


def test_the_next_call_works_after_any_of_them(store):
    for bad in (None, make_token(), login("alice", expiry="x")):
        with pytest.raises(Exception, match="TOKEN_STORE"):
            store.save_token(bad)
        store.save_token(login("alice"))
        assert len(stored(store)) == 1


def test_missing_id_takes_two_values(make_store):
    with pytest.raises(ConfigurationError, match="'none' or 'raise'"):
        make_store(missing_id="ignore")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.find_token(5),
        lambda store: store.find_token_by_id(None),
        lambda store: store.save_token(None),
        lambda store: store.delete_token(None),
    ],
    ids=["find_token", "find_token_by_id", "save_token", "delete_token"],
)
def test_the_sdks_error_names_this_store(store, call):
    with pytest.raises(SDKException) as caught:
        call(store)
    assert type(store).__name__ in str(caught.value)
    assert "DBStore" not in str(caught.value)
