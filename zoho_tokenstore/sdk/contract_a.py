"""Contract A: ``zcrmsdk`` 3 and ``zohocrmsdk2-0`` 1.0.0, whose tokens have plain attributes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken, TokenType

from zoho_tokenstore.sdk.binding import bind
from zoho_tokenstore.sdk.types import SDKToken

__all__ = ["BINDING"]


def _new_token() -> SDKToken:
    """Make an empty token; the constructor insists on a client id and one of two tokens."""
    token = OAuthToken("", None, "", TokenType.REFRESH)
    token.client_id = token.refresh_token = None
    return token


def _accept_answer(token: SDKToken, arguments: Sequence[Any], answer: object) -> None:
    user, store = arguments
    store.save_token(user, token.parse_response(answer))


BINDING: Final = replace(
    bind("zcrmsdk", "A", {"user_name": "user_mail"}, "email", _accept_answer),
    new_token=_new_token,
    user_agent=None,
)
