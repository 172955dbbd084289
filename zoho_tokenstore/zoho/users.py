"""Whose access token it is, asked at Zoho as the SDKs since 6-0 do."""

from typing import Any, Final

import requests

from zoho_tokenstore.errors import LoginError, MissingScopeError
from zoho_tokenstore.zoho.accounts import words_of
from zoho_tokenstore.zoho.datacenters import is_own_host
from zoho_tokenstore.zoho.transport import get_json

__all__ = ["current_user_name"]

VERSION: Final = "crm/v8"


def current_user_name(access_token: str, api_domain: str | None, seconds: float) -> str:
    """Return the user's name: the mail address and the organization, ``alice@example.com:6000…``.

    Args:
        access_token: The user's access token.
        api_domain: The API domain that came with it.
        seconds: The time for each answer.

    Raises:
        MissingScopeError: The token's scopes do not allow it.
        LoginError: Zoho did not answer, or not as expected.
    """
    users = _read(f"{api_domain}/{VERSION}/users?type=CurrentUser", access_token, seconds)
    organizations = _read(f"{api_domain}/{VERSION}/org", access_token, seconds)
    email = _first_value(users.get("users"), "email")
    number = _first_value(organizations.get("org"), "zgid")
    return f"{email}:{number}"


def _read(url: str, access_token: str, seconds: float) -> dict[str, Any]:
    if not is_own_host(url, url):
        raise LoginError("Zoho's answer has no API domain: pass user_name=", "no API domain")
    try:
        answer = get_json(
            url, seconds=seconds, headers={"Authorization": f"Zoho-oauthtoken {access_token}"}
        )
    except requests.RequestException as error:
        kind = type(error).__name__
        raise LoginError(f"Zoho was not told the user's name ({kind}): begin again", kind) from None
    if answer.status == requests.codes.ok:
        return answer.fields
    code = words_of(answer.fields.get("code", f"HTTP status {answer.status}"))
    if answer.status == requests.codes.unauthorized:
        raise MissingScopeError(
            f"the user's name cannot be asked for ({code}): add the scopes ZohoCRM.users.READ and "
            "ZohoCRM.org.READ, or pass user_name=",
            code,
        )
    raise LoginError(f"the user's name cannot be asked for ({code}): begin again", code)


def _first_value(found: object, name: str) -> str:
    first = found[0] if isinstance(found, list) and found else None
    value = first.get(name) if isinstance(first, dict) else None
    if not isinstance(value, str) or not value:
        raise LoginError("Zoho's answer does not name the user: pass user_name=", "no name")
    return value
