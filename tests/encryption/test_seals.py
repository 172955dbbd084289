"""Seals: for their row only, whole or not at all, and opened by later releases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_tokenstore.encryption.cipher import BlindIndex, IndexKeys, RowCipher
from zoho_tokenstore.encryption.codec import EncryptedCodec
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import DecryptionError, MissingKeyError
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import SECRET_FIELDS, TokenRecord

ONE = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # bytes 0 to 31
TWO = "two:" + "B" * 42 + "A"
TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
ROW = TokenRecord(
    id="id 1",
    user_name="alice@example.com",
    client_id="1000.CLIENT",
    client_secret="1000.secret",
    refresh_token="1000.refresh",
    access_token="1000.access",
    grant_token="1000.grant",
    redirect_url="https://example.com/cb",
    api_domain="https://www.zohoapis.eu",
    expiry=1767225600000,
)


def codec(keys=ONE, table="oauthtoken", *, accept_readable=False):
    cipher = RowCipher(Keyring.from_text(keys), table)
    return EncryptedCodec(cipher, BlindIndex(bytes(32)), accept_readable=accept_readable)


def sealed_row(record=ROW, keys=ONE):
    """Return what is stored of a record, as it is read."""
    values = codec(keys).encode_record(record, digest)
    return [values[name] for name in codec().columns]


def changed(row, **values):
    return [values.get(name, old) for name, old in zip(codec().columns, row, strict=True)]


@given(st.builds(TokenRecord, *[TEXTS] * 9, expiry=st.none() | st.integers(0, 2**63 - 1)))
def test_what_was_sealed_is_opened(record):
    record = record.with_id(record.id or "id")
    row = sealed_row(record)
    assert codec().decode_row(row) == record
    assert codec(f"{TWO},{ONE}").decode_row(row) == record
    stored = codec().encode_record(record, digest)
    assert all(stored[name] is None for name in SECRET_FIELDS)


def test_equal_rows_are_sealed_differently():
    assert sealed_row()[-1] != sealed_row()[-1]


def test_no_bit_of_a_seal_can_be_changed():
    row = sealed_row()
    seal = row[-1].encode()
    for position in range(len(seal) * 8):
        flipped = bytearray(seal)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(DecryptionError, match="'id 1' cannot be decrypted"):
            codec().decode_row(changed(row, sealed=flipped.decode("latin-1")))


def test_no_part_of_a_seal_is_a_seal():
    row = sealed_row()
    shorter = [row[-1][:length] for length in range(len(row[-1]))]
    for seal in (*shorter, row[-1] + "AAAA", row[-1] + "\n", " " + row[-1], None):
        with pytest.raises(DecryptionError, match="'id 1' cannot be decrypted"):
            codec().decode_row(changed(row, sealed=seal))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("id", value) for value in ("id 2", "")),
        *(("user_name", value) for value in ("bob@example.com", "", None)),
        *(("client_id", value) for value in ("1000.OTHER", "", None)),
        *(("redirect_url", value) for value in ("https://evil.example", "", None)),
        *(("api_domain", value) for value in ("https://evil.example", "", None)),
        *(("expiry", value) for value in (1767225600001, 0, None, "1767225600000")),
        ("key_id", "two"),
    ],
)
def test_no_column_that_is_served_can_be_changed(column, value):
    with pytest.raises(DecryptionError):
        codec(f"{ONE},{TWO}").decode_row(changed(sealed_row(), **{column: value}))


@pytest.mark.parametrize("column", ["user_name", "client_id", "redirect_url", "api_domain"])
def test_an_absent_value_is_no_empty_text(column):
    row = sealed_row(ROW._replace(**{column: None}))
    with pytest.raises(DecryptionError):
        codec().decode_row(changed(row, **{column: ""}))


def test_text_cannot_move_from_one_column_to_the_next():
    row = sealed_row(ROW._replace(user_name="a", client_id="b"))
    for user, client in (("a', 'b", None), ("a\0b", None), ("", "ab"), ("b", "a")):
        with pytest.raises(DecryptionError):
            codec().decode_row(changed(row, user_name=user, client_id=client))


def test_what_stands_beside_a_seal_is_not_served():
    planted = [*sealed_row(), *["1000.planted"] * len(SECRET_FIELDS)]
    assert codec(accept_readable=True).decode_row(planted) == ROW


def test_a_seal_of_another_table_is_refused():
    with pytest.raises(DecryptionError):
        codec(table="others").decode_row(sealed_row())


def test_an_unknown_key_is_named_with_the_row():
    with pytest.raises(DecryptionError, match="'id 1' is encrypted with key 'two'") as caught:
        codec().decode_row(sealed_row(keys=TWO))
    assert caught.value.token_ids == ("id 1",)
    assert caught.value.user_name == "alice@example.com"


def test_another_key_of_the_same_id_opens_nothing():
    with pytest.raises(DecryptionError, match="with key 'one'"):
        codec().decode_row(sealed_row(keys="one:" + "B" * 42 + "A"))


def test_later_releases_open_what_this_one_has_sealed():
    for record, seal in KNOWN_SEALS:
        values = record._asdict() | {"key_id": "one", "sealed": seal}
        assert codec().decode_row([values[name] for name in codec().columns]) == record
    index_key = IndexKeys(Keyring.from_text(ONE), "oauthtoken").unwrap({"one": KNOWN_INDEX_KEY})
    assert index_key == bytes(range(32, 64))
    assert BlindIndex(index_key).digest("refresh_token", "1000.refresh") == KNOWN_DIGEST


# Worked out with PyCryptodome 4.4.0; the nonce is bytes 100 to 111.
KNOWN_SEALS = [
    (
        ROW,
        (
            "ZGVmZ2hpamtsbW5v/3SdncefAdu9+Foh/3pqE/rrjHR0RdJylPQr0HG6D8bC3cE6/Xxd0EyPErfRrXdOJ5l6lyah"
            "luDko/8fTtRe"
        ),
    ),
    (
        TokenRecord(id="Zoë", refresh_token="ünï 🔑"),
        "ZGVmZ2hpamtsbW5vzocRwypDREhQCb8hzrUMwiYnATMG9oY9CBfE5td9",
    ),
]
KNOWN_INDEX_KEY = "ZGVmZ2hpamtsbW5vpyhZ3HLhKW6rlLRrtJqYLtHeRIMbLn4g9ublxGt/pis9mYKZl7aAnlT18LsSEMQy"
KNOWN_DIGEST = "861c28bab839597c749b6051e34c75ea67a6f9bd226c0b23879406b645ddf596"


def test_an_index_key_is_unwrapped_by_any_key_that_wrapped_it():
    wrapped = IndexKeys(Keyring.from_text(f"{ONE},{TWO}"), "oauthtoken").wrap(bytes(32))
    known = {"one": wrapped, "lost": "AAAA"}
    for keys in (ONE, f"{TWO},{ONE}"):
        assert IndexKeys(Keyring.from_text(keys), "oauthtoken").unwrap(known) == bytes(32)
    assert IndexKeys(Keyring.from_text(ONE), "oauthtoken").unwrap({}) is None
    for other in (
        IndexKeys(Keyring.from_text("one:" + "C" * 42 + "A"), "oauthtoken"),
        IndexKeys(Keyring.from_text(TWO), "oauthtoken"),
        IndexKeys(Keyring.from_text(ONE), "others"),
    ):
        with pytest.raises(MissingKeyError, match="missing keys used by this table: one") as caught:
            other.unwrap({"one": wrapped})
        assert caught.value.key_ids == ("one",)


def test_a_first_key_that_is_not_the_tables_is_refused_although_another_fits():
    wrapped = IndexKeys(Keyring.from_text(TWO), "oauthtoken").wrap(bytes(32))
    forged = IndexKeys(Keyring.from_text(f"{'one:' + 'C' * 42 + 'A'},{TWO}"), "oauthtoken")
    ours = IndexKeys(Keyring.from_text(ONE), "oauthtoken").wrap(bytes(32))
    with pytest.raises(MissingKeyError, match="different key with the same id: one"):
        forged.unwrap({"one": ours, "two": wrapped})


def test_workers_agree_on_the_index_key_of_a_new_table():
    keys = Keyring.from_text(ONE)
    key = IndexKeys(keys, "oauthtoken").new_index_key()
    assert key == IndexKeys(Keyring.from_text(f"{ONE},{TWO}"), "oauthtoken").new_index_key()
    assert key != IndexKeys(keys, "others").new_index_key()


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
