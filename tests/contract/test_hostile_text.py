"""Text that breaks other stores goes in and comes out unchanged, and matches nothing else."""

import pytest

from sdks import SETTERS
from support import known, login, make_token, stored

HOSTILE = [
    "O'Brien",
    'say "hi"',
    "100%",
    "%s %(name)s :name ?",
    "back\\slash\\",
    "'; DROP TABLE oauthtoken; --",
    "' or '1'='1",
    "line\nbreak\ttab\r\n",
    "山田太郎",
    "emoji 🦊👩‍👩‍👧‍👦",
    "e\u0301 is not \xe9",
    "\u202eright-to-left",
    "\ufeffbom",
    " leading and trailing ",
    "\U0010ffff",
    "NULL",
    "None",
    "x" * 5000,
    "é" * 5000,
]
FIELDS = [name for name in SETTERS if name != "expiry"]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_field_keeps_any_text(store, text):
    token = make_token(text, **dict.fromkeys(FIELDS, text), expiry="1")
    store.save_token(token)
    expected = dict.fromkeys(["user_name", *FIELDS], text) | {"expiry": 1}
    assert stored(store) == [expected]
    assert known(store.find_token(make_token(text))) == expected
    assert known(store.find_token_by_id(text)) == expected
    store.delete_token(text)
    assert stored(store) == []


ALIKE = [
    ("jose@x.com", "JOSE@X.COM"),
    ("jose@x.com", "josé@x.com"),
    ("jose@x.com", "jose@x.com "),
    ("ss", "ß"),
    ("e\u0301", "\xe9"),
    ("A", "\uff21"),
    ("a", "a\u200b"),
    ("x" * 255 + "1", "x" * 255 + "2"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_matching_is_exact_for_names_tokens_and_ids(store, one, other):
    store.save_token(login(one, id=one, refresh_token=one))
    assert store.find_token(make_token(other)) is None
    assert store.find_token(make_token(refresh_token=other)) is None
    assert store.find_token(make_token(one, client_id="1000.client")) is None
    assert store.find_token_by_id(other) is None
    store.delete_token(other)
    store.save_token(login(other, id=other, refresh_token=other))
    assert {row["user_name"] for row in stored(store)} == {one, other}
