"""Encrypted values: for their place only, whole or not at all, and readable by later releases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_tokenstore.encryption.cipher import MARK, BlindIndex, Cipher, IndexKeys, key_id_of
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import DecryptionError, MissingKeyError

ONE = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # bytes 0 to 31
TWO = "two:" + "B" * 42 + "A"
PLACE = ("refresh_token", "id 1")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


def cipher(keys=ONE, table="oauthtoken"):
    return Cipher(Keyring.from_text(keys), table)


@given(TEXTS, TEXTS)
def test_what_was_encrypted_is_decrypted_in_its_place(value, row_id):
    sealed = cipher().seal(value, "access_token", row_id)
    assert cipher().open(sealed, "access_token", row_id) == value
    assert cipher(f"{TWO},{ONE}").open(sealed, "access_token", row_id) == value


def test_equal_values_are_encrypted_differently():
    assert cipher().seal("same", *PLACE) != cipher().seal("same", *PLACE)


def test_no_bit_of_a_value_can_be_changed():
    sealed = cipher().seal("1000.refresh", *PLACE).encode()
    for position in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[position // 8] ^= 1 << position % 8
        text = flipped.decode("latin-1")
        if text.startswith(MARK):  # what has lost its mark is a matter of its row
            with pytest.raises(DecryptionError):
                cipher().open(text, *PLACE)


def test_no_part_of_a_value_is_a_value():
    sealed = cipher().seal("1000.refresh", *PLACE)
    for length in range(len(MARK), len(sealed)):
        with pytest.raises(DecryptionError):
            cipher().open(sealed[:length], *PLACE)
    with pytest.raises(DecryptionError):
        cipher().open(sealed + "AAAA", *PLACE)


def test_a_value_is_valid_in_its_place_only():
    sealed = cipher().seal("secret", *PLACE)
    with pytest.raises(DecryptionError, match=r"^refresh_token of token 'id 2' cannot .* moved"):
        cipher().open(sealed, "refresh_token", "id 2")
    with pytest.raises(DecryptionError, match=r"^access_token of token 'id 1' cannot"):
        cipher().open(sealed, "access_token", "id 1")
    with pytest.raises(DecryptionError):
        cipher(table="others").open(sealed, *PLACE)


def test_an_unknown_key_is_named_with_the_place():
    sealed = cipher(TWO).seal("secret", *PLACE)
    with pytest.raises(DecryptionError, match="'id 1' uses key 'two'") as caught:
        cipher().open(sealed, *PLACE)
    assert (caught.value.token_ids, caught.value.column) == (("id 1",), "refresh_token")
    assert key_id_of(sealed) == "two"


def test_another_key_of_the_same_id_opens_nothing():
    sealed = cipher("one:" + "B" * 42 + "A").seal("secret", *PLACE)
    with pytest.raises(DecryptionError, match="with the key 'one'"):
        cipher().open(sealed, *PLACE)


def test_later_releases_read_what_this_one_has_written():
    for sealed, place, value in KNOWN_VALUES:
        assert cipher().open(sealed, *place) == value
    index_key = IndexKeys(Keyring.from_text(ONE), "oauthtoken").unwrap(
        {"one": KNOWN_INDEX_KEY}, all_keys=True
    )
    assert index_key == bytes(range(32, 64))
    assert BlindIndex(index_key).digest("refresh_token", "1000.refresh") == KNOWN_DIGEST


# Worked out with PyCryptodome 4.4.0 and the standard library's hmac; the nonce is bytes 100 to 111.
KNOWN_VALUES = [
    (
        "zts1:one:ZGVmZ2hpamtsbW5vDQTQUM+BamItSI03YXyawcwpOD4juWv5p2Yhhg==",
        ("refresh_token", "id 1"),
        "1000.refresh",
    ),
    (
        "zts1:one:ZGVmZ2hpamtsbW5v/4iOo07T/5vLvL6S3SegRPacCud4Rsu/e9c=",
        ("client_secret", "Zoë"),
        "ünï 🔑",
    ),
    ("zts1:one:ZGVmZ2hpamtsbW5vChOFw/GdWVbhZHSnyRylvQ==", ("grant_token", ""), ""),
]
KNOWN_INDEX_KEY = "ZGVmZ2hpamtsbW5veu+msH9cX7eQK3pYQ3VTTsWlwuSm4ygAhpeoCUkNxuhikeEluHmsZSVt2uWWAiqA"
KNOWN_DIGEST = "c2dd8e7ce1236be6cf390e9ea227163fa5aaa737758bf2301b6eb0a54bf43a4a"


def test_an_index_key_is_unwrapped_by_the_key_that_wrapped_it():
    keys = IndexKeys(Keyring.from_text(f"{ONE},{TWO}"), "oauthtoken")
    wrapped = keys.wrap(bytes(32))
    assert keys.unwrap({"one": wrapped}, all_keys=True) == bytes(32)
    assert keys.unwrap({}, all_keys=True) is None
    for other in (
        IndexKeys(Keyring.from_text("one:" + "C" * 42 + "A"), "oauthtoken"),
        IndexKeys(Keyring.from_text(TWO), "oauthtoken"),
        IndexKeys(Keyring.from_text(ONE), "others"),
    ):
        with pytest.raises(
            MissingKeyError, match="keyring is missing keys used by this table: one"
        ) as caught:
            other.unwrap({"one": wrapped}, all_keys=False)
        assert caught.value.key_ids == ("one",)


def test_digests_depend_on_the_index_key_the_purpose_and_all_values():
    index = BlindIndex(bytes(32))
    digests = {
        index.digest("refresh_token", "a"),
        index.digest("grant_token", "a"),
        index.digest("refresh_token", "b"),
        index.digest("refresh_token", "a", "b"),
        index.digest("refresh_token", "ab"),
        BlindIndex(bytes(31) + b"\1").digest("refresh_token", "a"),
    }
    assert len(digests) == 6
    assert index.digest("refresh_token", "a") == BlindIndex(bytes(32)).digest("refresh_token", "a")
