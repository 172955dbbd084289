"""One warning before tokens travel over a network unencrypted."""

import ipaddress
import warnings
from typing import Final

from sqlalchemy import URL, Engine, event

from zoho_tokenstore.database.dialects import backend_of
from zoho_tokenstore.database.dialects.backend import DriverConnection
from zoho_tokenstore.errors import UnencryptedConnectionWarning

__all__ = ["warn_if_unencrypted"]

LOCALHOST: Final = "localhost"


def warn_if_unencrypted(engine: Engine) -> None:
    """Check the engine's first connection, if it leads to another host.

    Args:
        engine: An engine made by this package.
    """
    host = _remote_host(engine.url)
    if host is None:
        return
    backend = backend_of(engine.url)

    def check(connection: DriverConnection, _record: object) -> None:
        if backend.is_encrypted(connection) is False:
            warnings.warn(
                f"connection to {host} is not encrypted and exposes tokens and client secrets: add "
                f"{backend.tls_option} to the database URL",
                UnencryptedConnectionWarning,
                stacklevel=2,
            )

    event.listen(engine, "connect", check, once=True)


def _remote_host(url: URL) -> str | None:
    """Return the first remote host of the URL; a path is a socket of this host."""
    named = url.query.get("host", ())
    hosts = [url.host, *((named,) if isinstance(named, str) else named)]
    return next((host for host in hosts if host and not _is_local(host)), None)


def _is_local(host: str) -> bool:
    if host.startswith("/"):
        return True
    name = host if host.count(":") != 1 else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == LOCALHOST
