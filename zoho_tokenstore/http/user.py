"""The user of an HTTP client: the header, whom it is sent to, and what a refusal looks like."""

import json
from typing import Final

from zoho_tokenstore.errors import ForeignHostError
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.tokens.access_token import AccessToken
from zoho_tokenstore.zoho.datacenters import is_own_host

__all__ = ["User", "header", "is_refusal"]

REFUSALS: Final = frozenset({"INVALID_TOKEN", "INVALID_OAUTHTOKEN", "INVALID_OAUTH"})
"""Zoho's codes for an access token that is not valid any more: of CRM, of Projects, of Desk
(https://desk.zoho.com/DeskAPIDocument). Books answers with 57, also where a scope is missing."""


class User:
    """One user of a store, as an HTTP client acts.

    Args:
        store: The store.
        name: The name under which the user's token is stored.
        client_id: The client, for a user who has logged in to several.
    """

    def __init__(self, store: SQLAlchemyTokenStore, name: str, client_id: str | None) -> None:
        """Look nothing up yet."""
        self.store = store
        self.name = name
        self.client_id = client_id
        self._refused_anew = ""

    def token_for(self, url: str) -> AccessToken:
        """Return a valid access token for a request.

        Raises:
            ForeignHostError: The URL is of another host than the user's data center.
            TokenStoreError: As in :meth:`SQLAlchemyTokenStore.access_token`.
        """
        token = self.store.access_token(self.name, client_id=self.client_id)
        if not is_own_host(url, token.api_domain):
            raise ForeignHostError(
                f"the access token of {self.name!r} is not sent to {_host_in(url)}: its data "
                f"center has the API domain {token.api_domain!r}"
            )
        return token

    def token_after(
        self, refused: AccessToken, url: str, body: bytes, *, is_new: bool = False
    ) -> AccessToken | None:
        """Return the token for sending a request again that was answered with the status 401.

        One that was refused although it was new is not replaced, now or later: the reason is
        another, and each refresh counts against Zoho's limit.

        Args:
            refused: The token that was sent.
            url: Where the answer came from.
            body: The body of the answer.
            is_new: Whether the token has replaced a refused one just before.

        Returns:
            A new token, ``None`` if the request is not to be sent again.
        """
        if not is_refusal(body):
            return None
        if is_new:
            self._refused_anew = refused.value
        if refused.value == self._refused_anew or not is_own_host(url, refused.api_domain):
            return None
        self.store.invalidate(refused)
        token = self.token_for(url)
        return None if token.value == refused.value else token


def header(token: AccessToken) -> str:
    """Return the value of the header ``Authorization``."""
    return f"Zoho-oauthtoken {token.value}"


def is_refusal(body: bytes) -> bool:
    """Return whether an answer of the status 401 says that the access token is not valid."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    return not REFUSALS.isdisjoint({str(answer.get("code")), str(answer.get("errorCode"))})


def _host_in(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
