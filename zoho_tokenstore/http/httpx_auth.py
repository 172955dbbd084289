"""``HTTPXAuth``: clients of ``httpx``, sync and async, as a stored user."""

from collections.abc import AsyncGenerator, Generator
from functools import partial

import anyio.to_thread
import httpx

from zoho_tokenstore.http.user import User, header
from zoho_tokenstore.store import SQLAlchemyTokenStore

__all__ = ["HTTPXAuth"]


class HTTPXAuth(httpx.Auth):
    """Send each request with a valid access token of one user.

    A token that Zoho refuses before its expiry is refreshed, once by all workers, and the request
    is sent again, once. It is sent to hosts of the user's data center alone. With an
    ``AsyncClient`` the database is read in a thread, so that the event loop goes on.

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

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; after a refusal once more, with a new token."""
        request.read()  # to send it again
        token = self._user.token_for(str(request.url))
        for is_new in (False, True):
            request.headers["Authorization"] = header(token)
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            body, url = response.read(), str(response.request.url)
            new = self._user.token_after(token, url, body, is_new=is_new)
            if new is None:
                return
            token = new

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same without blocking the event loop."""
        in_thread = anyio.to_thread.run_sync
        await request.aread()
        token = await in_thread(self._user.token_for, str(request.url))
        for is_new in (False, True):
            request.headers["Authorization"] = header(token)
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            body, url = await response.aread(), str(response.request.url)
            ask = partial(self._user.token_after, token, url, body, is_new=is_new)
            new = await in_thread(ask)
            if new is None:
                return
            token = new
