"""Revocation of tokens at the accounts server of the data center that issued them."""

from typing import Final

import requests

from zoho_tokenstore.errors import ConfigurationError, RevocationError
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho.accounts import words_of
from zoho_tokenstore.zoho.datacenters import checked_endpoint, token_endpoint
from zoho_tokenstore.zoho.transport import Answer, post_form

__all__ = ["revoke"]

SECONDS: Final = 10.0
"""The time that Zoho has for its whole answer."""


def revoke(token: TokenRecord, accounts_url: str | None = None) -> None:
    """Revoke a refresh token with all its access tokens, or an access token that has none.

    See https://www.zoho.com/crm/developer/docs/api/v8/revoke-tokens.html.

    Args:
        token: Stored token to revoke.
        accounts_url: Token endpoint, such as ``https://accounts.zoho.eu/oauth/v2/token``. ``None``
            for the one of the data center in the token's ``api_domain``.

    Raises:
        RevocationError: Zoho has not revoked the token, or its data center is unknown.
    """
    if not (token.refresh_token or token.access_token):
        raise RevocationError(
            "refresh token and access token missing: delete the stored token instead"
        )
    endpoint = _endpoint_for(token.api_domain, accounts_url)
    host = endpoint.split("/")[2]
    form = {"token": token.refresh_token or token.access_token}
    # Tracebacks with local variables would show them.
    token = TokenRecord()
    try:
        answer = post_form(f"{endpoint}/revoke", form, seconds=SECONDS)
    except requests.RequestException as error:
        form = {}
        raise RevocationError(f"request to {host} failed ({type(error).__name__}); retry") from None
    form = {}
    if answer.status != requests.codes.ok:
        raise RevocationError(f"{host} returned HTTP status {answer.status}")
    if answer.fields.get("status") != "success":
        raise RevocationError(f"{host} returned {_reason_in(answer)}")


def _reason_in(answer: Answer) -> str:
    code = answer.fields.get("error")
    return f"error {words_of(code)!r}" if code else "an unknown response"


def _endpoint_for(api_domain: str | None, accounts_url: str | None) -> str:
    advice = "pass --accounts-url, for example https://accounts.zoho.eu/oauth/v2/token"
    if accounts_url is not None:
        try:
            return checked_endpoint(accounts_url)
        except ConfigurationError:
            raise RevocationError(f"invalid token endpoint {accounts_url!r}: {advice}") from None
    endpoint = token_endpoint(api_domain)
    if endpoint is None:
        raise RevocationError(f"unknown data center {api_domain!r}: {advice}")
    return endpoint
