"""What the store asks Zoho's accounts servers for, and what their answers mean."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import requests
from urllib3.exceptions import NewConnectionError

from zoho_tokenstore.refresh.lease import CLIENT_FAULTS, PERMANENT, THROTTLED, Failure
from zoho_tokenstore.tokens.record import TokenRecord, check_text
from zoho_tokenstore.tokens.text import harmless
from zoho_tokenstore.zoho.transport import Answer, post_form

__all__ = [
    "UNKNOWN_ANSWER",
    "TokenAnswer",
    "TokenRequestError",
    "exchange_code",
    "failure_of",
    "refresh_access_token",
    "words_of",
]

UNKNOWN_ANSWER: Final = "no access token"
"""The reason of a failure when Zoho has answered with neither a token nor an error."""

SHORT: Final = 16
"""Characters that a word of Zoho's may have in common with what was sent; secrets have more."""

LONGEST_REASON: Final = 100
DEFAULT_LIFE: Final = 3_600
LONGEST_LIFE: Final = 366 * 86_400
"""Seconds that an access token is valid if the answer does not tell, and the most it may tell."""


class TokenRequestError(Exception):
    """A request for a token has brought none; its callers say what that means.

    Attributes:
        failure: Why.
    """

    def __init__(self, failure: Failure) -> None:
        """Keep the reason."""
        super().__init__(failure.reason)
        self.failure = failure


class TokenAnswer(NamedTuple):
    """A new access token.

    Attributes:
        access_token: The token.
        expiry: When it expires, in epoch milliseconds by this host's clock.
        refresh_token: A new refresh token, if there is one: after a login.
        api_domain: The API domain of the user's data center, if the answer has it.
    """

    access_token: str
    expiry: int
    refresh_token: str | None
    api_domain: str | None


def refresh_access_token(endpoint: str, login: TokenRecord, seconds: float) -> TokenAnswer:
    """Ask for an access token with a refresh token.

    See https://www.zoho.com/crm/developer/docs/api/v8/refresh.html.

    Args:
        endpoint: The token endpoint.
        login: A record with client id, client secret and refresh token.
        seconds: The time for the whole answer.

    Raises:
        TokenRequestError: There is none.
    """
    return _ask_for_token(
        endpoint,
        {
            "refresh_token": login.refresh_token,
            "client_id": login.client_id,
            "client_secret": login.client_secret,
            "grant_type": "refresh_token",
        },
        seconds,
    )


def exchange_code(endpoint: str, login: TokenRecord, seconds: float) -> TokenAnswer:
    """Ask for the first access token of a login, with its grant token.

    See https://www.zoho.com/crm/developer/docs/api/v8/access-refresh.html.

    Args:
        endpoint: The token endpoint.
        login: A record with client id, client secret, grant token and redirect URL.
        seconds: The time for the whole answer.

    Raises:
        TokenRequestError: There is none.
    """
    return _ask_for_token(
        endpoint,
        {
            "client_id": login.client_id,
            "client_secret": login.client_secret,
            "redirect_uri": login.redirect_url,
            "grant_type": "authorization_code",
            "code": login.grant_token,
        },
        seconds,
    )


def failure_of(error: Exception, answer: Answer | None) -> Failure:
    """Return why a request has failed.

    Args:
        error: What was raised.
        answer: What Zoho has answered, ``None`` if nothing.
    """
    if answer is None:
        return Failure(type(error).__name__, answered=_was_never_sent(error))
    fields = answer.fields
    if fields.get("access_token"):
        return Failure(type(error).__name__, answered=False)  # it may have been issued
    if not fields and answer.status != requests.codes.ok:
        return Failure(f"HTTP status {answer.status}")
    reason = words_of(fields.get("error", UNKNOWN_ANSWER))
    # The text of a throttling is translated in some regions; its status is not.
    throttled = fields.get("status") == "failure" and reason not in PERMANENT | CLIENT_FAULTS
    return Failure(THROTTLED if throttled else reason)


def words_of(value: object) -> str:
    """Return Zoho's words for an error, which are short."""
    return harmless(str(value)[:LONGEST_REASON])


def _ask_for_token(endpoint: str, form: Mapping[str, str | None], seconds: float) -> TokenAnswer:
    answer = None
    try:
        answer = post_form(endpoint, form, seconds=seconds)
        return _read(answer.fields)
    except (requests.RequestException, ValueError) as error:
        failure = failure_of(error, answer)
    if any(value and len(value) > SHORT and value in failure.reason for value in form.values()):
        failure = Failure(UNKNOWN_ANSWER, failure.answered)
    form, answer = {}, None  # what a traceback would show
    raise TokenRequestError(failure)


def _read(fields: Mapping[str, Any]) -> TokenAnswer:
    """Return the token of an answer.

    Raises:
        ValueError: It has none, or one that cannot be stored.
    """
    access_token = check_text("access_token", fields.get("access_token") or "")
    if access_token is None:
        raise ValueError(UNKNOWN_ANSWER)
    # Where the answer has both, the other one is in milliseconds.
    lifetime = fields.get("expires_in_sec", fields.get("expires_in", DEFAULT_LIFE))
    seconds = int(lifetime) if isinstance(lifetime, (int, str)) else 0
    if not 0 < seconds < LONGEST_LIFE:
        raise ValueError("the answer has no lifetime of an access token")
    return TokenAnswer(
        access_token,
        int(time.time() * 1000) + seconds * 1000,
        check_text("refresh_token", fields.get("refresh_token") or ""),
        check_text("api_domain", fields.get("api_domain") or ""),
    )


def _was_never_sent(error: Exception) -> bool:
    """Return whether Zoho cannot have received the request."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
