"""Contract B: ``zohocrmsdk2-0`` since 2.0.0 and ``zohocrmsdk2-1``, imported as ``zcrmsdk``."""

from typing import Final

from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zcrmsdk.src.com.zoho.api.authenticator.store.token_store import TokenStore
from zcrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException
from zcrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
from zcrmsdk.src.com.zoho.crm.api.util.constants import Constants

from zoho_tokenstore.sdk.binding import SDKBinding, accessors, in_order, messages
from zoho_tokenstore.sdk.coordinated_token import coordinated

__all__ = ["BINDING", "CoordinatedToken"]

GETTERS, SETTERS = accessors(
    OAuthToken,
    {
        "id": "id",
        "user_name": "user_mail",
        "client_id": "client_id",
        "client_secret": "client_secret",
        "refresh_token": "refresh_token",
        "access_token": "access_token",
        "grant_token": "grant_token",
        "expiry": "expires_in",
        "redirect_url": "redirect_url",
    },
)


def _new_token() -> OAuthToken:
    """Get round the constructor, which wants one of four fields."""
    token = OAuthToken(id="")
    token.set_id(None)
    return token


CoordinatedToken = coordinated(OAuthToken, __name__)

BINDING: Final = SDKBinding(
    contract="B",
    token_type=OAuthToken,
    coordinated_type=CoordinatedToken,
    store_type=TokenStore,
    user_type=UserSignature,
    error_type=SDKException,
    new_token=_new_token,
    getters=in_order(GETTERS),
    setters=SETTERS,
    user_name=UserSignature.get_email,
    error_code=Constants.TOKEN_STORE,
    messages=messages(Constants),
    unknown_id=Constants.GET_TOKEN_BY_ID_DB_ERROR,
    # python_<mail up to @>_<environment>_<last four of the refresh token> (2-1 3.0.0, generate_id)
    made_ids_begin_with=Constants.PYTHON,
    keeps_own_copy=True,
)
