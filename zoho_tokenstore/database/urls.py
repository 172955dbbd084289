"""Database URLs: aliases, a driver that is installed, and what other libraries write in them."""

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


PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "psycopg": "zoho-tokenstore[postgresql]",
        "psycopg2": "psycopg2-binary",
        "pymysql": "zoho-tokenstore[mysql]",
        "MySQLdb": "mysqlclient",
        "mysql": "mysql-connector-python",
    }
)
"""Where the modules of drivers come from, unless from a package of their own name."""

HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "schema": "pass schema=… to the store, or set ZOHO_TOKENSTORE_SCHEMA",
        "currentSchema": "pass schema=… to the store, or set ZOHO_TOKENSTORE_SCHEMA",
        "pgbouncer": "remove it, because the store finds out about PgBouncer by itself",
        "connection_limit": "pass connections=… to the store, or set ZOHO_TOKENSTORE_CONNECTIONS",
        "pool_size": "pass connections=… to the store, or set ZOHO_TOKENSTORE_CONNECTIONS",
        "ssl-mode": "write ssl_ca=/path/to/ca.pem instead",
        "sslaccept": "write ssl_ca=/path/to/ca.pem instead",
    }
)
"""Parameters that other libraries take in a URL and no driver here does."""


def resolve(database: str | URL) -> URL:
    """Return the URL with the driver to use.

    Args:
        database: A URL; without ``+driver`` the first installed one is chosen.

    Raises:
        ConfigurationError: The text is not a URL, or has in it what no driver takes.
        MissingDriverError: No driver for it is installed.
    """
    try:
        url = make_url(database.strip() if isinstance(database, str) else database)
    except (ArgumentError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            "invalid database URL: pass, for example, 'sqlite:///tokens.db' or "
            f"'postgresql://user:password@host/database' ({type(error).__name__})"
        ) from None
    name = ALIASES.get(url.drivername, url.drivername)
    url = url.set(drivername=name)
    _check(url)
    drivers = backend_named(name).drivers  # none for a name that has a driver in it
    for driver, module in drivers:
        if _is_installed(module):
            return url.set(drivername=f"{name}+{driver}")
    if drivers:
        raise missing_driver(url, drivers[0][1])
    return url


def missing_driver(url: URL, module: str) -> MissingDriverError:
    """Return the error that says how to install a driver."""
    package = PACKAGES.get(module.partition(".")[0], module)
    return MissingDriverError(
        f"driver {module!r} for {url.drivername} is not installed: run pip install '{package}'"
    )


def _check(url: URL) -> None:
    # A path may have one, and so may what is quoted; an '@' here ends a password that is not.
    if "@" in (url.host or "") or (url.host and "@" in (url.database or "")):
        raise ConfigurationError(
            "the database URL has an '@' after its host: percent-encode the special characters of "
            "the user name and the password, '@' as %40, '/' as %2F, '%' as %25 "
            "(urllib.parse.quote_plus)"
        )
    # Not of a database without a module of its own, whose drivers may take any.
    foreign = url.query.keys() & HINTS.keys() if backend_of(url).drivers else ()
    for name in foreign:
        raise ConfigurationError(f"no driver takes the URL's parameter {name!r}: {HINTS[name]}")
    try:
        is_async = url.get_dialect().is_async
    except (ArgumentError, ImportError):  # told apart when the engine is made
        return
    if is_async:
        raise ConfigurationError(
            f"{url.drivername} is an asynchronous driver, and the store's calls are synchronous: "
            f"pass the URL as {url.get_backend_name()}://…, and call the store with "
            "asyncio.to_thread"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False
