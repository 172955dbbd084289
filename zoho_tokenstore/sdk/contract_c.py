"""Contract C: the packages ``zohocrmsdk5-0`` to ``zohocrmsdk8-0``, imported as ``zohocrmsdk``."""

from collections.abc import Sequence
from typing import Any, Final

from zoho_tokenstore.sdk.binding import SIGNATURE, bind
from zoho_tokenstore.sdk.types import SDKToken

__all__ = ["BINDING"]


def _accept_answer(token: SDKToken, arguments: Sequence[Any], answer: object) -> None:
    first, _url = arguments
    if first is token:  # since 6-0, which saves after the refresh
        token.parse_response(token, answer)
    else:  # 5-0, which passes the store
        token.parse_response(answer)
        first.save_token(token)


BINDING: Final = bind(
    "zohocrmsdk",
    "C",
    {"user_name": SIGNATURE, "api_domain": "api_domain"},
    "name",
    _accept_answer,
)
