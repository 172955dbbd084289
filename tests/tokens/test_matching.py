"""Whether a token with a row's id is of another login."""

import pytest

from zoho_tokenstore.tokens.matching import is_another_login
from zoho_tokenstore.tokens.record import TokenRecord

MAIL, NAME = "alice@example.com", "alice@example.com:6000"


@pytest.mark.parametrize(
    ("row", "token", "is_another"),
    [
        ({}, {}, False),
        ({"client_id": "one"}, {"client_id": "two"}, True),
        ({"client_id": "one"}, {}, False),
        ({"user_name": NAME}, {"user_name": NAME, "refresh_token": "old"}, False),
        (
            {"user_name": NAME, "refresh_token": "r"},
            {"user_name": NAME, "refresh_token": "o"},
            False,
        ),
        ({"user_name": NAME}, {"user_name": MAIL}, False),
        ({"user_name": MAIL}, {"user_name": NAME}, False),
        ({"user_name": NAME}, {"user_name": "alice@example.com:7000"}, True),
        ({"user_name": MAIL}, {"user_name": "bob@example.com"}, True),
        ({"refresh_token": "r"}, {"user_name": MAIL, "refresh_token": "r"}, False),
        ({"refresh_token": "r", "grant_token": "g"}, {"refresh_token": "r"}, False),
        ({"refresh_token": "r", "grant_token": "g"}, {"refresh_token": "s"}, True),
        ({"refresh_token": "r", "grant_token": "g"}, {"grant_token": "h"}, True),
        ({"refresh_token": "r"}, {"grant_token": "h"}, False),
    ],
)
def test_what_both_have_decides(row, token, is_another):
    assert is_another_login(TokenRecord(**row), TokenRecord(**token)) is is_another
