"""Contract C: the packages ``zohocrmsdk5-0`` to ``zohocrmsdk8-0``, imported as ``zohocrmsdk``."""

from typing import Final

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.token_store import TokenStore
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
from zohocrmsdk.src.com.zoho.crm.api.util.constants import Constants

from zoho_tokenstore.sdk.binding import SDKBinding, accessors, in_order, messages
from zoho_tokenstore.sdk.coordinated_token import coordinated

__all__ = ["BINDING", "CoordinatedToken"]

GETTERS, SETTERS = accessors(
    OAuthToken,
    {
        "id": "id",
        "client_id": "client_id",
        "client_secret": "client_secret",
        "refresh_token": "refresh_token",
        "access_token": "access_token",
        "grant_token": "grant_token",
        "expiry": "expires_in",
        "redirect_url": "redirect_url",
        "api_domain": "api_domain",
    },
)


def _get_user_name(token: OAuthToken) -> object:
    signature = OAuthToken.get_user_signature(token)
    return None if signature is None else signature.get_name()


def _set_user_name(token: OAuthToken, name: str) -> None:
    OAuthToken.set_user_signature(token, UserSignature(name))


def _new_token() -> OAuthToken:
    """Get round the constructor, which wants one of five fields."""
    token = OAuthToken(id="")
    token.set_id(None)
    return token


CoordinatedToken = coordinated(OAuthToken, __name__)

BINDING: Final = SDKBinding(
    contract="C",
    token_type=OAuthToken,
    coordinated_type=CoordinatedToken,
    store_type=TokenStore,
    user_type=UserSignature,
    error_type=SDKException,
    new_token=_new_token,
    getters=in_order({**GETTERS, "user_name": _get_user_name}),
    setters={**SETTERS, "user_name": _set_user_name},
    user_name=UserSignature.get_name,
    error_code=Constants.TOKEN_STORE,
    messages=messages(Constants),
    unknown_id=Constants.GET_TOKEN_BY_ID_DB_ERROR,
)
