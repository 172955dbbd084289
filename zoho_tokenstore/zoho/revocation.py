"""Revokes tokens at Zoho: at the accounts server of the data centre that has issued them."""

import json
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from zoho_tokenstore.errors import RevocationError
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["revoke"]

ACCOUNTS: Final = {
    "zohoapis.com": "accounts.zoho.com",
    "zohoapis.eu": "accounts.zoho.eu",
    "zohoapis.in": "accounts.zoho.in",
    "zohoapis.com.au": "accounts.zoho.com.au",
    "zohoapis.com.cn": "accounts.zoho.com.cn",
    "zohoapis.jp": "accounts.zoho.jp",
    "zohoapis.sa": "accounts.zoho.sa",
    "zohoapis.ca": "accounts.zohocloud.ca",
}
"""The accounts server of each data centre, by the domain of its API (zohocrmsdk8-0 7.0.0). A list,
because a refresh token is sent there: what stands in the database must not choose the host."""

TIMEOUT: Final = 10.0
"""Seconds that Zoho may take to connect, and to send anything."""


def revoke(token: TokenRecord, accounts_url: str | None = None) -> None:
    """Revoke a refresh token, with all access tokens made from it; without one, the access token.

    See https://www.zoho.com/crm/developer/docs/api/v8/revoke-tokens.html.

    Args:
        token: A stored token.
        accounts_url: The token endpoint, such as ``https://accounts.zoho.eu/oauth/v2/token``; by
            default that of the data centre of the token's ``api_domain``.

    Raises:
        RevocationError: Zoho has not revoked it, or nobody knows where to ask.
    """
    secret = token.refresh_token or token.access_token
    if secret is None:
        raise RevocationError("there is neither a refresh token nor an access token to revoke")
    endpoint = f"{accounts_url or _token_endpoint(token.api_domain)}/revoke"
    host = _host_of(endpoint)
    if not host:
        raise RevocationError(f"{endpoint!r} is no URL that Zoho can be asked at")
    request = Request(endpoint, urlencode({"token": secret}).encode())  # noqa: S310 - https, or what the operator says
    # Whatever shows a traceback's local variables would show them.
    secret, token = "", TokenRecord()
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            said = json.load(answer)
    except HTTPError as error:
        reason = f"Zoho answered with HTTP status {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = f"Zoho cannot be asked at {host} ({type(error).__name__})"
    else:
        if isinstance(said, dict) and said.get("status") == "success":
            return
        code = said.get("error") if isinstance(said, dict) else None
        reason = f"Zoho answered: {code or 'something unknown'}"
    raise RevocationError(reason)


def _host_of(url: str) -> str:
    """Return the host of an HTTP URL, nothing if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https") else ""


def _token_endpoint(api_domain: str | None) -> str:
    _, _, domain = _host_of(api_domain or "").partition(".")
    if domain not in ACCOUNTS:
        raise RevocationError(
            f"nobody knows the accounts server of the data centre {api_domain!r}: pass "
            "--accounts-url, such as https://accounts.zoho.eu/oauth/v2/token"
        )
    return f"https://{ACCOUNTS[domain]}/oauth/v2/token"
