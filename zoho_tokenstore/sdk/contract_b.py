"""Contract B: ``zohocrmsdk2-0`` since 2.0.0 and ``zohocrmsdk2-1``, imported as ``zcrmsdk``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from zoho_tokenstore.sdk.binding import bind
from zoho_tokenstore.sdk.types import SDKToken

__all__ = ["BINDING"]


def _accept_answer(token: SDKToken, arguments: Sequence[Any], answer: Mapping[str, str]) -> None:
    user, store = arguments
    token.parse_response(answer)
    if token.get_id() is None or "refresh_token" in answer:  # the latter after a login
        token.generate_id()
    store.save_token(user, token)


BINDING: Final = replace(
    bind("zcrmsdk", "B", {"user_name": "user_mail"}, "email", _accept_answer),
    # python_<mail up to @>_<environment>_<last four of the refresh token> (2-1 3.0.0, generate_id)
    made_ids_begin_with="python_",
    keeps_own_copy=True,
)
