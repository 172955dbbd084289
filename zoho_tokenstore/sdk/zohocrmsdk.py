"""Contract C: the packages ``zohocrmsdk5-0`` to ``zohocrmsdk8-0``, imported as ``zohocrmsdk``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.token_store import TokenStore
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
from zohocrmsdk.src.com.zoho.crm.api.util.constants import Constants

from zoho_tokenstore.errors import (
    InvalidTokenError,
    TokenStoreError,
    TokenTypeError,
    UnknownIdError,
)
from zoho_tokenstore.token import TokenRecord

__all__ = ["ZohoCRMSDK"]

MESSAGES: Final[Mapping[str, str]] = {
    "find_token": Constants.GET_TOKEN_DB_ERROR,
    "find_token_by_id": Constants.GET_TOKEN_DB_ERROR,
    "save_token": Constants.SAVE_TOKEN_DB_ERROR,
    "delete_token": Constants.DELETE_TOKEN_DB_ERROR,
    "get_tokens": Constants.GET_TOKENS_DB_ERROR,
    "delete_tokens": Constants.DELETE_TOKENS_DB_ERROR,
}
"""The SDK's own message for each method of a store."""

GETTERS: Final[tuple[tuple[str, Callable[[Any], object]], ...]] = (
    ("id", OAuthToken.get_id),
    ("client_id", OAuthToken.get_client_id),
    ("client_secret", OAuthToken.get_client_secret),
    ("refresh_token", OAuthToken.get_refresh_token),
    ("access_token", OAuthToken.get_access_token),
    ("grant_token", OAuthToken.get_grant_token),
    ("redirect_url", OAuthToken.get_redirect_url),
    ("api_domain", OAuthToken.get_api_domain),
)

SETTERS: Final[Mapping[str, Callable[[Any, Any], None]]] = {
    "id": OAuthToken.set_id,
    "client_id": OAuthToken.set_client_id,
    "client_secret": OAuthToken.set_client_secret,
    "refresh_token": OAuthToken.set_refresh_token,
    "access_token": OAuthToken.set_access_token,
    "grant_token": OAuthToken.set_grant_token,
    "redirect_url": OAuthToken.set_redirect_url,
    "api_domain": OAuthToken.set_api_domain,
    "user_name": lambda token, name: token.set_user_signature(UserSignature(name)),
    # The SDK calls len() on it: an integer would be a TypeError (8-0 7.0.0, OAuthToken.get_token).
    "expiry": lambda token, expiry: token.set_expires_in(str(expiry)),
}


class ZohoCRMSDK:
    """The binding of contract C; see :class:`zoho_tokenstore.sdk.binding.SDKBinding`."""

    def register(self, store: type) -> None:
        """Register a virtual subclass: nothing of the SDK's class is inherited."""
        TokenStore.register(store)

    def read(self, token: object) -> TokenRecord:
        """Read the fields through the SDK's getters."""
        if not isinstance(token, OAuthToken):
            raise TokenTypeError(
                f"expected an OAuthToken of the Zoho SDK, got {type(token).__name__}"
            )
        try:
            signature = token.get_user_signature()
            user = None if signature is None else signature.get_name()
            texts = {name: get(token) for name, get in GETTERS}
            expiry = token.get_expires_in()
        except AttributeError as error:
            # From None: the error keeps the token, and whoever logs the error's object shows it.
            raise InvalidTokenError(
                f"the OAuthToken was made without its constructor: it has no {error.name!r}"
            ) from None
        return TokenRecord.checked(expiry=expiry, user_name=user, **texts)

    def fill(self, token: Any, values: Mapping[str, str | int]) -> None:  # noqa: ANN401 - untyped SDK
        """Set them through the SDK's setters."""
        for name, value in values.items():
            SETTERS[name](token, value)

    def build(self, record: TokenRecord) -> object:
        """Make a token that the SDK can use: without its constructor it would lack fields."""
        token = OAuthToken(id=record.id)
        self.fill(token, record.known())
        return token

    def error(self, operation: str, cause: TokenStoreError) -> Exception:
        """Return an ``SDKException`` with the SDK's code and message, and our error as cause."""
        message = MESSAGES[operation]
        if operation == "find_token_by_id" and isinstance(cause, (UnknownIdError, TokenTypeError)):
            message = Constants.GET_TOKEN_BY_ID_DB_ERROR
        error: Exception = SDKException(Constants.TOKEN_STORE, f"{message}: ", cause=cause)
        return error
