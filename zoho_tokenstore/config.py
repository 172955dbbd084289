"""Settings from the environment: read here, once, and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.models import DEFAULT_TABLE
from zoho_tokenstore.schema import TokenSchema

__all__ = ["PREFIX", "Settings"]

PREFIX: Final = "ZOHO_TOKENSTORE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the tokens are.

    Attributes:
        url: The database URL.
        token_schema: The names of the table and its schema.
    """

    url: str
    token_schema: TokenSchema

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = os.environ,
        overrides: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Read ``ZOHO_TOKENSTORE_URL``, ``_TABLE`` and ``_SCHEMA``.

        Args:
            environ: The environment.
            overrides: What was said more directly, such as on a command line: ``url``, ``table``
                and ``schema``; an absent or empty one leaves the word to the environment.

        Raises:
            ConfigurationError: A value is missing or cannot be used; it names the variable.
        """
        said = overrides or {}

        def value(name: str) -> str | None:
            return said.get(name) or environ.get(f"{PREFIX}{name.upper()}") or None

        url = value("url")
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
            schema = TokenSchema(value("table") or DEFAULT_TABLE, value("schema"))
        except ConfigurationError as error:
            raise ConfigurationError(f"{PREFIX}TABLE or {PREFIX}SCHEMA: {error}") from error
        return cls(url, schema)
