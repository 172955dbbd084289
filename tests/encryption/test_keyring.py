"""Keys as text: what is read, what is refused, and that no error shows one."""

from datetime import UTC, datetime

import pytest

from support import shown
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.encryption.keyring import FETCH_PAUSE
from zoho_tokenstore.errors import BadKeyError, ConfigurationError, ReadableKeysWarning

ONE = "one:" + "A" * 43
TWO = "two:" + "B" * 42 + "A"


def test_a_generated_key_is_new_and_tells_its_day():
    first, second = Keyring.generate_key(), Keyring.generate_key()
    assert first != second
    assert first.startswith(f"{datetime.now(UTC):%Y%m%d}-")
    assert Keyring.from_text(first).ids == (first.partition(":")[0],)


@pytest.mark.parametrize(
    "text", [f"{TWO},{ONE}", f" {TWO} ,\n{ONE}\n", f"{TWO}\n{ONE}", f"{TWO}=,{ONE}="]
)
def test_the_first_key_encrypts_whatever_separates_them(text):
    keyring = Keyring.from_text(text)
    assert keyring.ids == ("two", "one")
    assert keyring.first.id == "two"
    assert keyring.first.secret != keyring.get("one").secret == bytes(32)


BAD = [
    ("", "encryption key missing"),
    (" ,\n", "encryption key missing"),
    (f"{ONE},{'S' * 43}", "key 2 of 2 has no ':'"),
    (f"{ONE},{'S' * 43}:x", "key 2 of 2 has an id"),
    (f"sp ace:{'S' * 43}", "key 1 of 2 has no ':'"),
    (f":{'S' * 43}", "key 1 of 1 has an id"),
    (f"{ONE},two:{'S' * 42}!", "key 2 of 2 is not base64url"),
    (f"two:{'S' * 42}é", "key 1 of 1 is not base64url"),
    (f"two:{'S' * 20}", "key 1 of 1 has 15 bytes instead of 32"),
    (f"two:{'S' * 44}", "key 1 of 1 has 33 bytes instead of 32"),
    (f"{ONE},one:{'S' * 43}", "key 2 of 2 has the id of key 1"),
    (f"one:{'S' * 43},two:{'S' * 43}", "key 2 of 2 has the bytes of key 1"),
]


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_a_bad_key_is_named_by_its_position_and_shown_nowhere(text, problem):
    fetch = iter([text]).__next__
    with pytest.raises(BadKeyError, match=problem) as caught:
        Keyring.from_callable(fetch)
    assert "SSSS" not in shown(caught.value)


@pytest.mark.parametrize(("text", "problem"), [case for case in BAD if "S" in case[0]])
def test_bad_keys_in_the_environment_are_shown_nowhere(text, problem):
    environ = {"ZOHO_TOKENSTORE_URL": "sqlite://", "ZOHO_TOKENSTORE_KEYS": text}
    with pytest.raises(BadKeyError, match=f"ZOHO_TOKENSTORE_KEYS: encryption {problem}") as caught:
        SQLAlchemyTokenStore.from_env(environ)
    environ, text = {}, ""
    assert "SSSS" not in shown(caught.value)


def test_bad_text_is_shown_nowhere():
    with pytest.raises(BadKeyError) as caught:
        Keyring.from_text("S" * 43)
    assert "SSSS" not in shown(caught.value)
    with pytest.raises(BadKeyError, match="are not text but bytes"):
        Keyring.from_text(b"SSSS")


def test_the_representation_names_the_keys_and_shows_none():
    keyring = Keyring.from_text(f"{TWO},{ONE}")
    assert repr(keyring) == "Keyring(two, one)"
    assert "AAAA" not in repr(keyring.first)
    assert "x00" not in repr(keyring.get("one"))


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"{TWO}\n{ONE}\n")
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640], ids=oct)
def test_a_file_that_others_cannot_change_is_read(key_file, mode):
    key_file.chmod(mode)
    assert Keyring.from_file(key_file).ids == ("two", "one")


@pytest.mark.parametrize("mode", [0o444, 0o644], ids=oct)
def test_a_file_that_every_user_can_read_is_read_with_one_warning(key_file, mode):
    key_file.chmod(mode)
    with pytest.warns(ReadableKeysWarning, match="chmod o-r") as warned:
        keyring = Keyring.from_file(key_file)
    assert keyring.get("unknown") is None, "it looks again without a warning"
    assert keyring.ids == ("two", "one")
    assert len(warned) == 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666], ids=oct)
def test_a_file_that_others_can_change_is_refused(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(ConfigurationError, match="can be changed by other users: run chmod go-w"):
        Keyring.from_file(key_file)


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{TWO},{ONE}",
        f"{TWO}\r\n{ONE}\r\n",
        f"\n\n{TWO}\n\n  \n{ONE}\n",
        f"# made in May\n{TWO} # writes\n#old:{'Q' * 43}\n{ONE}",
    ],
    ids=["byte order mark", "CRLF", "blank lines", "comments"],
)
def test_a_file_as_editors_and_platforms_write_it_is_read(key_file, content):
    key_file.write_bytes(content.encode())
    key_file.chmod(0o600)
    assert Keyring.from_file(key_file).ids == ("two", "one")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere is not readable: No such file"):
        Keyring.from_file(tmp_path / "nowhere")
    path = tmp_path / "keys"
    path.write_bytes(b"\xff")
    path.chmod(0o600)
    with pytest.raises(BadKeyError, match="is not text"):
        Keyring.from_file(path)


def test_a_key_that_is_appended_is_found_without_a_restart(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text(ONE)
    path.chmod(0o600)
    now = 1000.0
    monkeypatch.setattr("zoho_tokenstore.encryption.keyring.time.monotonic", lambda: now)
    keyring = Keyring.from_file(path)
    path.write_text(f"{TWO},{ONE}")
    assert keyring.get("two") is None, "it has looked a moment ago"
    now += FETCH_PAUSE
    assert keyring.get("two") is not None
    assert keyring.first.id == "one", "which key encrypts is settled at the start"
    path.write_text("three:" + "C" * 42 + "A")
    now += FETCH_PAUSE
    assert all(map(keyring.get, ("three", "two", "one"))), "a key that was known stays known"


@pytest.mark.parametrize("keyring", [ONE, 5, [ONE], lambda: ONE])
def test_the_store_takes_a_keyring_and_nothing_else(keyring):
    with pytest.raises(ConfigurationError, match=r"Keyring\.from_text"):
        SQLAlchemyTokenStore("sqlite://", keyring=keyring)


def test_the_environment_has_keys_or_a_file_of_them_not_both(tmp_path):
    path = tmp_path / "keys"
    path.write_text(ONE)
    path.chmod(0o600)
    environ = {"ZOHO_TOKENSTORE_URL": "sqlite://", "ZOHO_TOKENSTORE_KEYS_FILE": str(path)}
    with SQLAlchemyTokenStore.from_env(environ) as store:
        assert store._opened.tables.keyring.ids == ("one",)
    with pytest.raises(ConfigurationError, match="unset one of them"):
        SQLAlchemyTokenStore.from_env(environ | {"ZOHO_TOKENSTORE_KEYS": TWO})
