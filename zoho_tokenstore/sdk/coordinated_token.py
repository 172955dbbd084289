"""The SDK's token while it is being refreshed: it tells the store how that ends.

The SDKs refresh the object that the store has returned and report nothing when that fails. So the
store hands out its own subclass, whose refresh and login are the SDK's, watched: with a timeout for
the request, which the SDKs do not set, and with an eye on Zoho's answer.
"""

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import requests
from urllib3.exceptions import NewConnectionError

from zoho_tokenstore.refresh.lease import PERMANENT, THROTTLED, Failure
from zoho_tokenstore.sdk.watching import ATTRIBUTE, RefreshObserver, watched_by

__all__ = ["coordinated"]

REFRESHES: Final = ("refresh_access_token", "generate_access_token")
"""The SDK's methods that ask Zoho for a token, by refresh token and by grant token."""


def coordinated(token_type: type, module: str) -> type:
    """Make the subclass of the SDK's token whose refreshes are watched.

    Args:
        token_type: The SDK's ``OAuthToken``.
        module: The module that keeps it under the name ``CoordinatedToken``, so that it pickles.
    """
    methods = {name: _watched(getattr(token_type, name)) for name in REFRESHES}
    names = {"__module__": module, "__getstate__": _state, **methods}
    return type("CoordinatedToken", (token_type,), names)


def _state(token: object) -> dict[str, Any]:
    """Leave the watch behind when a token is copied or pickled."""
    return {name: value for name, value in vars(token).items() if name != ATTRIBUTE}


def _watched(sdks: FunctionType) -> Callable[..., Any]:
    """Wrap the SDK's method; its code runs as it is, with requests that end."""
    timed = FunctionType(
        sdks.__code__,
        sdks.__globals__ | {"requests": _Requests()},
        sdks.__name__,
        sdks.__defaults__,
        sdks.__closure__,
    )

    def method(self: Any, *args: Any) -> Any:  # noqa: ANN401 - the SDK's signature
        by: RefreshObserver | None = watched_by(self)
        if by is None:
            return sdks(self, *args)
        if not by.begin(self):
            return self
        _http.timeout, _http.answer = by.http_timeout, None
        try:
            result = timed(self, *args)
        except Exception as error:
            if by.failed(self, _why(error)):
                return self
            raise
        finally:
            _http.timeout = None
        by.succeeded(self)
        return result

    return method


class _Http(threading.local):
    """The request of this thread.

    Attributes:
        timeout: Seconds that Zoho may take.
        answer: What it has answered, as far as it is JSON.
    """

    timeout: float | None = None
    answer: Any = None


_http: Final = _Http()


class _Requests:
    """Stands in for the module ``requests`` in the SDK's methods, which use only ``post``."""

    @staticmethod
    def post(url: str, **arguments: Any) -> requests.Response:
        """Post with a timeout, and keep the answer."""
        response = requests.post(url, **{"timeout": _http.timeout} | arguments)  # noqa: S113 - it has
        try:
            _http.answer = response.json()
        except ValueError:
            _http.answer = {"error": f"HTTP status {response.status_code}"}
        return response


def _why(error: Exception) -> Failure:
    """Tell why the SDK has raised, from what Zoho has answered."""
    answer = _http.answer
    if not isinstance(answer, dict):
        cause = getattr(error, "cause", None) or error
        return Failure(type(cause).__name__, answered=_was_never_sent(cause))
    if "access_token" in answer:  # issued, but the SDK stumbled afterwards
        return Failure(type(error).__name__, answered=False)
    reason = str(answer.get("error", "an answer without an access token"))
    # The text of a throttling is translated in some regions; its status is not.
    throttled = answer.get("status") == "failure" and reason not in PERMANENT
    return Failure(THROTTLED if throttled else reason)


def _was_never_sent(error: Exception) -> bool:
    """Tell whether Zoho cannot have got the request."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
