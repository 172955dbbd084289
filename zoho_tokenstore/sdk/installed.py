"""The installed SDK, and its contract with token stores."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final, Literal, cast

from zoho_tokenstore.errors import ConfigurationError, MissingSDKError
from zoho_tokenstore.sdk.binding import SDKBinding

__all__ = ["MissingSDK", "SDKName", "any_installed", "load", "load_if_installed"]

SDKName = Literal["zcrmsdk", "zohocrmsdk"]

PACKAGES: Final[tuple[SDKName, ...]] = ("zcrmsdk", "zohocrmsdk")

CONTRACTS: Final = {"find_token": "c", "get_token_by_id": "b", "get_token": "a"}
"""The method that only a contract's ``TokenStore`` has, looked for in this order; releases that
share a name and a major version differ, so version numbers do not identify it."""


def load(sdk: SDKName | None = None) -> SDKBinding:
    """Return the binding of an installed SDK.

    Args:
        sdk: The package that the application imports, ``None`` for the only one that is installed.

    Raises:
        MissingSDKError: It is not installed, or cannot be imported.
        ConfigurationError: ``sdk`` is not an SDK, or is needed because both are installed.
    """
    if sdk is not None and sdk not in PACKAGES:
        raise ConfigurationError(f"sdk must be 'zcrmsdk' or 'zohocrmsdk', not {sdk!r}")
    installed = [name for name in (PACKAGES if sdk is None else (sdk,)) if find_spec(name)]
    if not installed:
        raise MissingSDKError(
            f"{sdk or 'no Zoho CRM SDK'} is not installed: pip install 'zoho-tokenstore[sdk8-0]' "
            "(or sdk7-0, sdk6-0, sdk5-0, sdk2-1, sdk2-0, zcrmsdk)"
        )
    if len(installed) > 1:
        raise ConfigurationError(
            "two Zoho CRM SDKs are installed: pass sdk='zcrmsdk' or sdk='zohocrmsdk'"
        )
    return _bind(installed[0])


class MissingSDK:
    """Takes the place of a binding where no SDK is installed: each use of it is the error.

    Args:
        error: What to say.
    """

    def __init__(self, error: MissingSDKError) -> None:
        """Keep the message."""
        self._message = str(error)

    def __getattr__(self, name: str) -> object:
        """Raise the error.

        Raises:
            MissingSDKError: Always.
        """
        raise MissingSDKError(self._message)


def load_if_installed(sdk: SDKName | None = None) -> SDKBinding | MissingSDK:
    """Return the binding of an installed SDK, or what takes its place where there is none.

    Access tokens are handed out without an SDK, so its lack is an error only where it is used.

    Raises:
        MissingSDKError: ``sdk`` is named and not installed, or what is installed does not work.
        ConfigurationError: As in :func:`load`.
    """
    try:
        return load(sdk)
    except MissingSDKError as error:
        if sdk is not None or any_installed() is not None:
            raise
        return MissingSDK(error)


def any_installed() -> SDKName | None:
    """Return an SDK that is installed, ``None`` without one; for work that needs none of them."""
    return next((name for name in PACKAGES if find_spec(name)), None)


@cache
def _bind(package: str) -> SDKBinding:
    try:
        stores = import_module(f"{package}.src.com.zoho.api.authenticator.store.token_store")
        for method, letter in CONTRACTS.items():
            if hasattr(stores.TokenStore, method):
                module = import_module(f"zoho_tokenstore.sdk.contract_{letter}")
                return cast("SDKBinding", module.BINDING)
    except ImportError as error:
        raise MissingSDKError(
            f"the installed {package} cannot be imported: {error}; install it with its extra, "
            "such as pip install 'zoho-tokenstore[sdk5-0]'; zcrmsdk before 3.0.0 has no token store"
        ) from error
    raise MissingSDKError(
        f"the installed {package} needs an unknown kind of token store: install a supported release"
    )
