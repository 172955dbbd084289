"""Revocation of tokens at the accounts server of the data center that issued them."""

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
"""Accounts server of each data center by the domain of its API (zohocrmsdk8-0 7.0.0). A fixed list,
because a refresh token is sent there: a value in the database must not choose the host."""

EXAMPLE_URL: Final = "https://accounts.zoho.eu/oauth/v2/token"

TIMEOUT: Final = 10.0
"""Seconds that Zoho may take to connect, and to send data."""


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
    secret = token.refresh_token or token.access_token
    if secret is None:
        raise RevocationError(
            "refresh token and access token missing: delete the stored token instead"
        )
    endpoint = accounts_url or _token_endpoint(token.api_domain)
    host = _host_of(endpoint)
    if not host:
        raise RevocationError(
            f"invalid token endpoint {endpoint!r}: pass --accounts-url, for example {EXAMPLE_URL}"
        )
    request = Request(f"{endpoint}/revoke", urlencode({"token": secret}).encode())
    # Tracebacks with local variables would show them.
    secret, token = "", TokenRecord()
    try:
        with urlopen(request, timeout=TIMEOUT) as stream:
            response = json.load(stream)
    except HTTPError as error:
        reason = f"{host} returned HTTP status {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = f"request to {host} failed ({type(error).__name__}); retry"
    else:
        if isinstance(response, dict) and response.get("status") == "success":
            return
        code = response.get("error") if isinstance(response, dict) else None
        reason = f"{host} returned {f'error {code!r}' if code else 'an unknown response'}"
    raise RevocationError(reason)


def _host_of(url: str) -> str:
    """Return the host of an HTTP URL, an empty string for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https") else ""


def _token_endpoint(api_domain: str | None) -> str:
    _, _, domain = _host_of(api_domain or "").partition(".")
    if domain not in ACCOUNTS:
        raise RevocationError(
            f"unknown data center {api_domain!r}: pass --accounts-url, for example {EXAMPLE_URL}"
        )
    return f"https://{ACCOUNTS[domain]}/oauth/v2/token"
