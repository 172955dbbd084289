"""``AccessToken``: what a call to Zoho needs, for applications that call it without the SDK."""

from dataclasses import dataclass, field
from datetime import datetime

from zoho_tokenstore.tokens.record import TokenRecord, check_text

__all__ = ["AccessToken", "refused_token"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A valid access token of one user.

    Attributes:
        value: The token, for the header ``Authorization: Zoho-oauthtoken <value>``; in no repr.
        expires_at: When it expires, in UTC; ``None`` if that is not known.
        api_domain: Base URL of the API of the user's data center, ``None`` if it is not stored.
        user_name: The user.
        client_id: The client that the user has logged in to.
    """

    value: str = field(repr=False)
    expires_at: datetime | None
    api_domain: str | None
    user_name: str
    client_id: str | None


def refused_token(access_token: AccessToken | str) -> TokenRecord:
    """Return the record that finds the row of an access token that Zoho has refused.

    Raises:
        TokenTypeError: It is neither an access token nor text.
    """
    if isinstance(access_token, AccessToken):
        return TokenRecord(
            user_name=access_token.user_name,
            client_id=access_token.client_id,
            access_token=access_token.value,
        )
    return TokenRecord(access_token=check_text("access_token", access_token))
