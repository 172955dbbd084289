"""Settings from environment variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import BadKeyError, ConfigurationError
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.zoho.datacenters import checked_endpoint

__all__ = ["PREFIX", "Settings", "check_utf8", "parse_duration"]

PREFIX: Final = "ZOHO_TOKENSTORE_"

NAMES: Final = (
    "url",
    "table",
    "schema",
    "keys",
    "keys_file",
    "audit",
    "audit_retention",
    "accept_readable",
    "connections",
    "accounts_url",
)
"""The variables, without their prefix and in small letters."""

STORE_OPTIONS: Final = (
    "keyring",
    "audit",
    "audit_retention",
    "accept_readable",
    "connections",
    "accounts_url",
)
"""The settings that are arguments of a store by the same name."""

LONGEST: Final = timedelta(days=365_000)
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

SWITCH: Final = {"on": True, "off": False}
FLAG: Final = {"1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """Database, table and keys of a store.

    Attributes:
        url: Database URL.
        token_schema: Names of the token table and its schema.
        keyring: Encryption keys, ``None`` to store secrets unencrypted.
        audit: Whether changes of tokens are recorded in the audit log.
        audit_retention: How long audit entries are kept, ``None`` for ever.
        accept_readable: Whether unencrypted tokens are served although there are keys.
        connections: How many connections a process may hold.
        accounts_url: The token endpoint for the store's own refreshes, ``None`` for that of each
            token's data center.
    """

    url: str = field(repr=False)  # it may hold a password
    token_schema: TokenSchema
    keyring: Keyring | None = None
    audit: bool = True
    audit_retention: timedelta | None = None
    accept_readable: bool = False
    connections: int = DEFAULT_CONNECTIONS
    accounts_url: str | None = None

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = os.environ,
        overrides: Mapping[str, str | None] | None = None,
        *,
        reads_keys: bool = True,
    ) -> Self:
        """Read ``ZOHO_TOKENSTORE_URL`` and the other variables of a store.

        They are ``_TABLE``, ``_SCHEMA``, ``_KEYS``, ``_KEYS_FILE``, ``_AUDIT``,
        ``_AUDIT_RETENTION``, ``_ACCEPT_READABLE``, ``_CONNECTIONS`` and ``_ACCOUNTS_URL``.

        Args:
            environ: Environment variables.
            overrides: Values that take precedence, such as options of a command: ``url``,
                ``table``, ``schema`` and ``keys_file``. Absent and empty values are ignored.
            reads_keys: Whether the keys are read; without them, a keyring is never returned.

        Raises:
            ConfigurationError: A value is missing or invalid; the message names the variable.
        """
        options = overrides or {}
        values = {
            name: (options.get(name) or environ.get(PREFIX + name.upper()) or "").strip() or None
            for name in NAMES
        }
        if options.get("keys_file"):
            values["keys"] = None
        if not reads_keys:
            values |= {"keys": None, "keys_file": None}
        try:
            return cls._checked(values)
        except ConfigurationError as error:
            # Tracebacks with local variables would show the environment.
            environ, overrides, options, values = {}, None, {}, {}
            raise error.with_traceback(None) from error.__cause__

    @property
    def store_options(self) -> dict[str, Any]:
        """The arguments of a store, besides the database and the names of its tables."""
        return {name: getattr(self, name) for name in STORE_OPTIONS}

    @classmethod
    def _checked(cls, values: Mapping[str, str | None]) -> Self:
        for name, value in values.items():
            check_utf8(f"{PREFIX}{name.upper()} or its option", value)
        url = values["url"]
        if url is None:
            raise ConfigurationError(
                f"database URL missing: set {PREFIX}URL or pass --url, for example "
                "sqlite:///tokens.db"
            )
        try:
            make_url(url)
        except (ArgumentError, ValueError):
            # From None: the cause may show the URL, and with it a password.
            raise ConfigurationError(
                f"{PREFIX}URL or --url is not a database URL: set it to, for example, "
                "sqlite:///tokens.db"
            ) from None
        try:
            schema = TokenSchema(values["table"] or DEFAULT_TABLE, values["schema"] or None)
        except ConfigurationError as error:
            raise ConfigurationError(f"{PREFIX}TABLE or {PREFIX}SCHEMA: {error}") from error
        connections = values["connections"] or str(DEFAULT_CONNECTIONS)
        if not connections.isdecimal() or int(connections) < 1:
            raise ConfigurationError(
                f"{PREFIX}CONNECTIONS is invalid: set it to a whole number from 1"
            )
        return cls(
            url,
            schema,
            _keyring(values["keys"], values["keys_file"]),
            _choice("audit", values["audit"] or "on", SWITCH),
            parse_duration(values["audit_retention"], f"{PREFIX}AUDIT_RETENTION"),
            _choice("accept_readable", values["accept_readable"] or "0", FLAG),
            int(connections),
            _endpoint(values["accounts_url"]),
        )


def _choice(name: str, value: str, choices: Mapping[str, bool]) -> bool:
    if value not in choices:
        raise ConfigurationError(
            f"{PREFIX}{name.upper()} is invalid: set it to {' or '.join(map(repr, choices))}"
        )
    return choices[value]


def check_utf8(name: str, value: object) -> None:
    """Check that a text of the environment or the command line was decoded completely.

    Args:
        name: Name of the setting or the option for the error message.
        value: The value; it is not named, because it may hold a password.

    Raises:
        ConfigurationError: The text has bytes that are not UTF-8.
    """
    try:
        _ = isinstance(value, str) and value.encode()
    except UnicodeEncodeError:
        # From None: the codec's error carries the text.
        raise ConfigurationError(
            f"{name} is not UTF-8: check the encoding of the terminal or the script"
        ) from None


def parse_duration(text: str | None, option: str) -> timedelta | None:
    """Convert the value of a setting or an option, such as ``30d``, to a ``timedelta``.

    Args:
        text: The value, ``None`` if it is absent.
        option: Name of the setting or the option for the error message.

    Raises:
        ConfigurationError: The text is not a duration.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None or not int(found[1]):
        raise ConfigurationError(
            f"invalid duration {text!r} for {option}: pass a number with the unit s, m, h, d or w, "
            "for example 30d"
        )
    duration = timedelta(**{UNITS[found[2]]: int(found[1])})
    if duration > LONGEST:
        raise ConfigurationError(
            f"duration {text!r} for {option} is too long: pass less than a thousand years"
        )
    return duration


def _endpoint(accounts_url: str | None) -> str | None:
    try:
        return None if accounts_url is None else checked_endpoint(accounts_url)
    except ConfigurationError as error:
        raise ConfigurationError(f"{PREFIX}ACCOUNTS_URL: {error}") from error


def _keyring(text: str | None, path: str | None) -> Keyring | None:
    if text and path:
        raise ConfigurationError(
            f"{PREFIX}KEYS and {PREFIX}KEYS_FILE (or --keys-file) are both set: unset one of them"
        )
    source = f"{PREFIX}KEYS" if text else f"{PREFIX}KEYS_FILE (or --keys-file)"
    try:
        if text:
            return Keyring.from_text(text)
        return Keyring.from_file(path) if path else None
    except ConfigurationError as error:
        raise BadKeyError(f"{source}: {error}") from None
