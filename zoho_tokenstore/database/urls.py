"""Database URLs: aliases, and a driver that is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from zoho_tokenstore.database.dialects import backend_named, backend_of
from zoho_tokenstore.errors import ConfigurationError, MissingDriverError

__all__ = ["missing_driver", "resolve"]

ALIASES: Final[Mapping[str, str]] = MappingProxyType({"postgres": "postgresql"})
"""Names that hosting platforms write and SQLAlchemy has not understood since 1.4."""


def resolve(database: str | URL) -> URL:
    """Return the URL with the driver to use.

    Args:
        database: A URL; without ``+driver`` the first installed one is chosen.

    Raises:
        ConfigurationError: The text is not a URL.
        MissingDriverError: No driver for it is installed.
    """
    try:
        url = make_url(database)
    except (ArgumentError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            "invalid database URL: pass, for example, 'sqlite:///tokens.db' or "
            f"'postgresql://user:password@host/database' ({type(error).__name__})"
        ) from None
    name = ALIASES.get(url.drivername, url.drivername)
    drivers = backend_named(name).drivers  # none for a name that has a driver in it
    for driver, module in drivers:
        if _is_installed(module):
            return url.set(drivername=f"{name}+{driver}")
    url = url.set(drivername=name)
    if drivers:
        raise missing_driver(url, drivers[0][1])
    return url


def missing_driver(url: URL, module: str) -> MissingDriverError:
    """Return the error that says how to install a driver."""
    extra = backend_of(url).extra
    package = f"zoho-tokenstore[{extra}]" if extra else module
    return MissingDriverError(
        f"driver {module!r} for {url.drivername} is not installed: run pip install '{package}'"
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False
