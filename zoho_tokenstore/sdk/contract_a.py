"""Contract A: ``zcrmsdk`` 3 and ``zohocrmsdk2-0`` 1.0.0, whose tokens have plain attributes."""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from typing import Final

from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken, TokenType
from zcrmsdk.src.com.zoho.api.authenticator.store.token_store import TokenStore
from zcrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException
from zcrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
from zcrmsdk.src.com.zoho.crm.api.util.constants import Constants

from zoho_tokenstore.sdk.binding import SDKBinding, in_order, messages
from zoho_tokenstore.sdk.coordinated_token import coordinated

__all__ = ["BINDING", "CoordinatedToken"]

ATTRIBUTES: Final[Mapping[str, str]] = {
    "id": "id",
    "user_name": "user_mail",
    "client_id": "client_id",
    "client_secret": "client_secret",
    "refresh_token": "refresh_token",
    "access_token": "access_token",
    "grant_token": "grant_token",
    "expiry": "expires_in",
    "redirect_url": "redirect_url",
}
"""Our names of the fields, and the SDK's; there is no API domain yet."""


def _new_token() -> OAuthToken:
    """Get round the constructor, which wants a client id and exactly one of two tokens."""
    token = OAuthToken("", None, "", TokenType.REFRESH)
    token.client_id = token.refresh_token = None
    return token


def _set(attribute: str, token: OAuthToken, value: object) -> None:
    # The SDK calls int() on the expiry, after its own store has read it as text.
    setattr(token, attribute, str(value))


CoordinatedToken = coordinated(OAuthToken, __name__)

BINDING: Final = SDKBinding(
    contract="A",
    token_type=OAuthToken,
    coordinated_type=CoordinatedToken,
    store_type=TokenStore,
    user_type=UserSignature,
    error_type=SDKException,
    new_token=_new_token,
    getters=in_order({name: attrgetter(attribute) for name, attribute in ATTRIBUTES.items()}),
    setters={name: partial(_set, attribute) for name, attribute in ATTRIBUTES.items()},
    user_name=attrgetter("email"),
    error_code=Constants.TOKEN_STORE,
    messages=messages(Constants),
)
