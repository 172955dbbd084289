"""Zoho's data centers: which accounts server belongs to an API domain, and which hosts to both.

The table is fixed, because secrets are sent to these hosts: neither a value in the database nor one
from a browser may name another. Sources: the environments of zohocrmsdk8-0 7.0.0 (com, eu, in,
com.au, com.cn, jp, sa, ca); https://www.zoho.com/accounts/protocol/oauth/multi-dc.html (uk); Zoho
WorkDrive's list of accounts servers (ae).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from zoho_tokenstore.errors import ConfigurationError

__all__ = [
    "DATA_CENTERS",
    "DataCenter",
    "checked_endpoint",
    "data_center_at",
    "data_center_of",
    "is_own_host",
    "token_endpoint",
]

ENDPOINT: Final = "/oauth/v2/token"

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that are asked without TLS: stand-ins for Zoho on the same machine."""


class DataCenter(NamedTuple):
    """One data center.

    Attributes:
        location: What Zoho calls it in the redirect of a login.
        api: The domain of its APIs; ``www.``, ``sandbox.`` and ``developer.`` are CRM's.
        site: The domain of its other services, such as ``desk.``.
        accounts: The host of its accounts server.
    """

    location: str
    api: str
    site: str
    accounts: str

    @property
    def token_endpoint(self) -> str:
        """Return the URL that hands out tokens."""
        return f"https://{self.accounts}{ENDPOINT}"


DATA_CENTERS: Final = (
    DataCenter("us", "zohoapis.com", "zoho.com", "accounts.zoho.com"),
    DataCenter("eu", "zohoapis.eu", "zoho.eu", "accounts.zoho.eu"),
    DataCenter("in", "zohoapis.in", "zoho.in", "accounts.zoho.in"),
    DataCenter("au", "zohoapis.com.au", "zoho.com.au", "accounts.zoho.com.au"),
    DataCenter("jp", "zohoapis.jp", "zoho.jp", "accounts.zoho.jp"),
    DataCenter("cn", "zohoapis.com.cn", "zoho.com.cn", "accounts.zoho.com.cn"),
    DataCenter("ca", "zohoapis.ca", "zohocloud.ca", "accounts.zohocloud.ca"),
    DataCenter("sa", "zohoapis.sa", "zoho.sa", "accounts.zoho.sa"),
    DataCenter("uk", "zohoapis.uk", "zoho.uk", "accounts.zoho.uk"),
    DataCenter("ae", "zohoapis.ae", "zoho.ae", "accounts.zoho.ae"),
)

_BY_API: Final = {center.api: center for center in DATA_CENTERS}
_BY_ACCOUNTS: Final = {center.accounts: center for center in DATA_CENTERS} | {
    "accounts.zoho.au": next(center for center in DATA_CENTERS if center.location == "au")
}
"""Zoho writes the Australian server in two ways."""


def data_center_of(api_domain: str | None) -> DataCenter | None:
    """Return the data center with an API domain, such as ``https://www.zohoapis.eu``."""
    parts = _split(api_domain or "")
    if parts is None or parts.scheme != "https":
        return None
    return _BY_API.get((parts.hostname or "").partition(".")[2])


def data_center_at(accounts_server: str) -> DataCenter | None:
    """Return the data center with an accounts server, such as ``https://accounts.zoho.eu``."""
    parts = _split(accounts_server)
    if parts is None or parts.scheme != "https" or parts.port not in (None, 443):
        return None
    return _BY_ACCOUNTS.get(parts.hostname or "")


def token_endpoint(api_domain: str | None) -> str | None:
    """Return the token endpoint for an API domain, ``None`` for an unknown data center."""
    center = data_center_of(api_domain)
    return None if center is None else center.token_endpoint


def checked_endpoint(accounts_url: str) -> str:
    """Return the token endpoint that an operator has configured.

    Args:
        accounts_url: The endpoint, ``https://accounts.zoho.eu/oauth/v2/token``, or only its server.

    Raises:
        ConfigurationError: It is no HTTPS URL; HTTP is for this machine only.
    """
    parts = _split(accounts_url)
    if parts is None or parts.username is not None or parts.query or parts.fragment:
        raise _bad_endpoint()
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not (is_safe and parts.hostname):
        raise _bad_endpoint()
    path = parts.path.rstrip("/") or ENDPOINT
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_own_host(url: str, api_domain: str | None) -> bool:
    """Return whether a token may be sent to a URL: one of its API domain or its data center."""
    target, home = _split(url), _split(api_domain or "")
    if target is None or home is None or not target.hostname:
        return False
    if _origin(target) == _origin(home):
        return target.scheme == "https" or target.hostname in LOOPBACK
    center = data_center_of(api_domain)
    if center is None or target.scheme != "https" or target.port not in (None, 443):
        return False
    return _is_within(target.hostname, (center.api, center.site))


def _is_within(host: str, domains: Iterable[str]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _split(url: str) -> SplitResult | None:
    """Take a URL apart, ``None`` if clients could read it in different ways."""
    if not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if "@" in parts.netloc else parts


def _bad_endpoint() -> ConfigurationError:
    return ConfigurationError(
        "accounts_url is invalid: pass an HTTPS URL such as "
        "https://accounts.zoho.eu/oauth/v2/token (HTTP only for a server on this machine)"
    )
