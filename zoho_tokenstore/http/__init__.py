"""Authentication of ``httpx`` and ``requests`` as a stored user, for calls without the SDK.

>>> from zoho_tokenstore.http import HTTPXAuth
>>> client = httpx.AsyncClient(auth=HTTPXAuth(store, "alice@example.com"))
"""

from typing import TYPE_CHECKING

from zoho_tokenstore.http.requests_auth import RequestsAuth

if TYPE_CHECKING:
    from zoho_tokenstore.http.httpx_auth import HTTPXAuth

__all__ = ["HTTPXAuth", "RequestsAuth"]


def __getattr__(name: str) -> object:
    """Import what needs ``httpx`` when it is asked for."""
    if name != "HTTPXAuth":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from zoho_tokenstore.http.httpx_auth import HTTPXAuth  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise ImportError(
            "HTTPXAuth needs httpx: pip install 'zoho-tokenstore[httpx]'", name="httpx"
        ) from error
    return HTTPXAuth
