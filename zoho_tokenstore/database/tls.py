"""One warning when tokens are about to travel over a network that anybody can read."""

import ipaddress
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import URL, Engine, event

from zoho_tokenstore.errors import UnencryptedConnectionWarning

__all__ = ["warn_if_unencrypted"]


def warn_if_unencrypted(engine: Engine) -> None:
    """Look at the engine's first connection, if it leads to another host.

    Args:
        engine: An engine of our own.
    """
    host = _other_host(engine.url)
    look = ENCRYPTED.get(engine.url.get_backend_name())
    if host is None or look is None:
        return
    is_encrypted, advice = look

    def check(connection: Any, _record: object) -> None:  # noqa: ANN401 - any driver's
        if not is_encrypted(connection):
            warnings.warn(
                f"the connection to {host} is not encrypted: whoever sees its packets has the "
                f"tokens and client secrets. Add {advice} to the database URL",
                UnencryptedConnectionWarning,
                stacklevel=2,
            )

    event.listen(engine, "connect", check, once=True)


def _other_host(url: URL) -> str | None:
    """Return the first host of the URL that is not this one; a path is a socket of this one."""
    named = url.query.get("host", ())
    hosts = [url.host, *((named,) if isinstance(named, str) else named)]
    return next((host for host in hosts if host and not _is_here(host)), None)


def _is_here(host: str) -> bool:
    if host.startswith("/"):
        return True
    name = host if host.count(":") != 1 else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def _postgresql_is_encrypted(connection: Any) -> bool:  # noqa: ANN401 - psycopg's or psycopg2's
    # psycopg2 has it on info, psycopg on what info is made from.
    return bool(getattr(connection, "pgconn", connection.info).ssl_in_use)


def _mysql_is_encrypted(connection: Any) -> bool:  # noqa: ANN401 - any driver's
    cursor = connection.cursor()
    cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    row = cursor.fetchone()
    cursor.close()
    return row is not None and bool(row[1])


_MYSQL: Final = (_mysql_is_encrypted, "?ssl_ca=/path/to/ca.pem")
ENCRYPTED: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "postgresql": (_postgresql_is_encrypted, "?sslmode=verify-full"),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
"""How to tell, and what to add to the URL, by SQLAlchemy's name of the database."""
