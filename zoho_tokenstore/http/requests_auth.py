"""``RequestsAuth``: sessions of ``requests`` as a stored user."""

from functools import partial
from typing import Any

import requests
from requests.auth import AuthBase

from zoho_tokenstore.http.user import User, header
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.tokens.access_token import AccessToken

__all__ = ["RequestsAuth"]


class RequestsAuth(AuthBase):
    """Send each request with a valid access token of one user.

    It does the same as :class:`HTTPXAuth`. A body that is a generator is not sent again.

    Args:
        store: The store.
        user_name: The name under which the user's token is stored.
        client_id: The client, for a user who has logged in to several.

    Raises:
        ForeignHostError: By the request, if it goes to another host; nothing is sent.
        TokenStoreError: By the request, as in :meth:`SQLAlchemyTokenStore.access_token`.
    """

    def __init__(
        self, store: SQLAlchemyTokenStore, user_name: str, *, client_id: str | None = None
    ) -> None:
        """Look nothing up yet."""
        self._user = User(store, user_name, client_id)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header, and look at the answer."""
        token = self._user.token_for(request.url or "")
        request.headers["Authorization"] = header(token)
        tell = getattr(request.body, "tell", None)
        start = None if tell is None else tell()
        request.register_hook("response", partial(self._after, token, start))
        return request

    def _after(
        self, token: AccessToken, start: int | None, response: requests.Response, **options: Any
    ) -> requests.Response:
        """Send a refused request once more, with a new token."""
        if response.status_code != requests.codes.unauthorized:
            return response
        again = response.request.copy()
        new = self._user.token_after(token, again.url or "", response.content)
        if new is None or not _rewind(again, start):
            return response
        again.headers["Authorization"] = header(new)
        response.close()
        second: requests.Response = response.connection.send(again, **options)
        second.history.append(response)
        if second.status_code == requests.codes.unauthorized:
            self._user.token_after(new, again.url or "", second.content, is_new=True)
        return second


def _rewind(request: requests.PreparedRequest, start: int | None) -> bool:
    """Return whether the body can be sent again, and go back to its start."""
    seek = getattr(request.body, "seek", None)
    if seek is None or start is None:
        return request.body is None or isinstance(request.body, (str, bytes))
    seek(start)
    return True
