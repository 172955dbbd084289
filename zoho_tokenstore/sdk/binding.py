"""What the store needs to know of an SDK, and where it is found."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

from zoho_tokenstore.errors import MissingSDKError, TokenStoreError
from zoho_tokenstore.token import TokenRecord

__all__ = ["SDKBinding", "load"]


class SDKBinding(Protocol):
    """One SDK's tokens, errors and contract, seen from the store."""

    def register(self, store: type) -> None:
        """Make instances of ``store`` pass the SDK's ``isinstance(store, TokenStore)``."""

    def read(self, token: object) -> TokenRecord:
        """Return what the SDK's token holds.

        Raises:
            TokenTypeError: It is not a token of the SDK.
            InvalidTokenError: One of its fields cannot be stored.
        """

    def fill(self, token: Any, values: Mapping[str, str | int]) -> None:  # noqa: ANN401 - untyped SDK
        """Set fields of the SDK's token, by the names that :class:`TokenRecord` gives them."""

    def build(self, record: TokenRecord) -> object:
        """Make a token of the SDK, through its constructor."""

    def error(self, operation: str, cause: TokenStoreError) -> Exception:
        """Wrap one of our errors in the SDK's ``SDKException``.

        Args:
            operation: The method of the store that failed.
            cause: What happened.
        """


@cache
def load() -> SDKBinding:
    """Return the binding of the installed SDK.

    Raises:
        MissingSDKError: None is installed, or it cannot be imported.
    """
    if find_spec("zohocrmsdk") is None:
        raise MissingSDKError(
            "no Zoho CRM SDK is installed: pip install 'zoho-tokenstore[sdk8-0]' "
            "(or sdk7-0, sdk6-0, sdk5-0)"
        )
    try:
        from zoho_tokenstore.sdk.zohocrmsdk import ZohoCRMSDK  # noqa: PLC0415 - may be missing
    except ImportError as error:
        raise MissingSDKError(
            f"the installed Zoho CRM SDK cannot be imported: {error}; install it with its extra, "
            "such as pip install 'zoho-tokenstore[sdk5-0]'"
        ) from error
    return ZohoCRMSDK()
