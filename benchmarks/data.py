"""The tokens that every peer keeps: the same users, the same lengths."""

from typing import Final

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["UNKNOWN", "record", "token", "user_name"]

UNKNOWN: Final = -1
"""The number of a user who is stored nowhere."""

EXPIRY: Final = 4_102_444_800_000
"""In the year 2100: no token here is ever refreshed."""


def user_name(number: int) -> str:
    """Return the name of a user as the SDK has it since generation 6."""
    return f"user{number}@example.com:60001234567"


def record(number: int) -> TokenRecord:
    """Return the token of a user as the store keeps it."""
    return TokenRecord(
        id=f"{number:032x}",
        user_name=user_name(number),
        client_id="1000.CLIENT0000000000000000000000000",
        client_secret="0123456789abcdef0123456789abcdef0123456789",
        refresh_token=f"1000.{number:032x}.{number:032x}",
        access_token=f"1000.{number + 1:032x}.{number:032x}",
        api_domain="https://www.zohoapis.com",
        expiry=EXPIRY,
    )


def token(number: int) -> OAuthToken:
    """Return the token of a user as the SDK has it after a login."""
    known = record(number)
    made = OAuthToken(
        client_id=known.client_id,
        client_secret=known.client_secret,
        refresh_token=known.refresh_token,
        access_token=known.access_token,
        user_signature=UserSignature(known.user_name),
    )
    made.set_expires_in(str(known.expiry))
    made.set_api_domain(known.api_domain)
    return made
