"""Database URLs as people write them: aliases, and a driver that is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from zoho_tokenstore.database.backends import backend_of
from zoho_tokenstore.errors import ConfigurationError, MissingDriverError

__all__ = ["missing_driver", "resolve"]

ALIASES: Final[Mapping[str, str]] = MappingProxyType({"postgres": "postgresql"})
"""What hosting platforms write and SQLAlchemy has not understood since 1.4."""

_MYSQL_DRIVERS: Final = (
    ("pymysql", "pymysql"),
    ("mysqldb", "MySQLdb"),
    ("mysqlconnector", "mysql.connector"),
)
DRIVERS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2")),
        "mysql": _MYSQL_DRIVERS,
        "mariadb": _MYSQL_DRIVERS,
    }
)
"""SQLAlchemy's name and the module of each driver, the one that our extra brings first."""


def resolve(database: str | URL) -> URL:
    """Return the URL with the driver that is to be used.

    Args:
        database: A URL; without ``+driver`` the first one that is installed is chosen.

    Raises:
        ConfigurationError: It is not a URL.
        MissingDriverError: No driver for it is installed.
    """
    try:
        url = make_url(database)
    except (ArgumentError, ValueError, TypeError) as error:
        # From None: the cause may show the URL, and with it the password.
        raise ConfigurationError(
            "the database URL cannot be used: write it like 'sqlite:///tokens.db' or "
            f"'postgresql://user:password@host/database' ({type(error).__name__})"
        ) from None
    kind = ALIASES.get(url.drivername, url.drivername)
    if kind not in DRIVERS:
        return url.set(drivername=kind)
    for driver, module in DRIVERS[kind]:
        if _installed(module):
            return url.set(drivername=f"{kind}+{driver}")
    raise missing_driver(url.set(drivername=kind), DRIVERS[kind][0][1])


def missing_driver(url: URL, module: str) -> MissingDriverError:
    """Return the error that says how to install a driver."""
    extra = backend_of(url).extra
    package = f"zoho-tokenstore[{extra}]" if extra else module
    return MissingDriverError(
        f"{url.drivername} needs the driver {module!r}, which is not installed: "
        f"pip install '{package}'"
    )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False
