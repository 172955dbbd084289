"""Settings from the environment: read here, once, and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import BadKeyError, ConfigurationError
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import TokenSchema

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "ZOHO_TOKENSTORE_"

SWITCH: Final = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the tokens are.

    Attributes:
        url: The database URL.
        token_schema: The names of the table and its schema.
        keyring: The encryption keys, if any.
        audit: Whether it is noted what happens to tokens.
    """

    url: str
    token_schema: TokenSchema
    keyring: Keyring | None = None
    audit: bool = True

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = os.environ,
        overrides: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Read ``ZOHO_TOKENSTORE_URL``, ``_TABLE``, ``_SCHEMA``, ``_KEYS(_FILE)`` and ``_AUDIT``.

        Args:
            environ: The environment.
            overrides: What was said more directly, such as on a command line: ``url``, ``table``
                and ``schema``; an absent or empty one leaves the word to the environment.

        Raises:
            ConfigurationError: A value is missing or cannot be used; it names the variable.
        """
        said = overrides or {}
        names = ("url", "table", "schema", "keys", "keys_file", "audit")
        values = {name: said.get(name) or environ.get(PREFIX + name.upper()) for name in names}
        if said.get("keys_file"):
            values["keys"] = None
        try:
            return cls._checked(values)
        except ConfigurationError as error:
            # Whatever shows a traceback's local variables would show the environment.
            environ, overrides, said, values = {}, None, {}, {}
            raise error.with_traceback(None) from error.__cause__

    @classmethod
    def _checked(cls, values: Mapping[str, str | None]) -> Self:
        url = values["url"]
        if url is None:
            raise ConfigurationError(
                f"no database: set {PREFIX}URL (or pass --url), such as sqlite:///tokens.db"
            )
        try:
            make_url(url)
        except (ArgumentError, ValueError):
            # From None: the cause may show the URL, and with it a password.
            raise ConfigurationError(
                f"{PREFIX}URL (or --url) is not a database URL: write it like sqlite:///tokens.db"
            ) from None
        try:
            schema = TokenSchema(values["table"] or DEFAULT_TABLE, values["schema"] or None)
        except ConfigurationError as error:
            raise ConfigurationError(f"{PREFIX}TABLE or {PREFIX}SCHEMA: {error}") from error
        audit = SWITCH.get(values["audit"] or "on")
        if audit is None:
            raise ConfigurationError(f"{PREFIX}AUDIT must be 'on' or 'off'")
        return cls(url, schema, _keyring(values["keys"], values["keys_file"]), audit)


def _keyring(text: str | None, path: str | None) -> Keyring | None:
    if text and path:
        raise ConfigurationError(
            f"set {PREFIX}KEYS or {PREFIX}KEYS_FILE (or --keys-file), not both"
        )
    source = f"{PREFIX}KEYS" if text else f"{PREFIX}KEYS_FILE (or --keys-file)"
    try:
        if text:
            return Keyring.from_text(text)
        return Keyring.from_file(path) if path else None
    except ConfigurationError as error:
        raise BadKeyError(f"{source}: {error}") from None
