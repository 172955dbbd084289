"""The names of columns: which field of a token a column of a file or table holds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.tokens.record import FIELDS

__all__ = ["ColumnOptions", "assign_fields", "field_of"]

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "token_id"),
    "user_name": (
        *("user_name", "user_mail", "user_identifier", "user_email", "user_email_id"),
        *("email", "email_id", "email_address", "mail", "user"),
    ),
    "client_id": ("client_id",),
    "client_secret": ("client_secret",),
    "refresh_token": ("refresh_token",),
    "access_token": ("access_token",),
    "grant_token": ("grant_token", "grant_code"),
    "redirect_url": ("redirect_url", "redirect_uri"),
    "api_domain": ("api_domain",),
    "expiry": (
        *("expiry_time", "expires_in", "expiry", "expires_at", "expires", "expires_on"),
        *("expiration", "expiration_time", "expiry_date", "token_expiry", "expiry_at"),
        *("access_token_expiry", "access_token_expires_at", "token_expires_at"),
    ),
}
"""The names of each field's column, the SDKs' own first; case and punctuation do not count."""

IGNORED: Final = re.compile(r"[\W_]+")


def _plain(name: str) -> str:
    return IGNORED.sub("", name).lower()


RANKED: Final = {
    _plain(name): (field_name, rank)
    for field_name, names in NAMES.items()
    for rank, name in enumerate(names)
}


def field_of(column: str) -> str | None:
    """Return the field that a column with this name holds, ``None`` for another column."""
    return RANKED.get(_plain(column), (None,))[0]


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What an operator knows of a source and its columns do not tell.

    Attributes:
        columns: Name of a field's column in the source, by field.
        without_users: Whether a source without a column for the user may be imported.
        client_id: Client id of rows without one.
        client_secret: Client secret of rows without one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    without_users: bool = False
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    @classmethod
    def parse(
        cls,
        columns: Iterable[str],
        *,
        without_users: bool = False,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> Self:
        """Read columns from texts such as ``user_name=owner``.

        Raises:
            ConfigurationError: A text has another form or names no field.
        """
        found: dict[str, str] = {}
        for text in columns:
            name, equals, column = text.partition("=")
            known = field_of(name)
            if not equals or not column or known is None:
                raise ConfigurationError(
                    f"invalid --columns {text!r}: pass NAME=COLUMN, where NAME is one of "
                    f"{', '.join(FIELDS)}"
                )
            found[known] = column
        return cls(found, without_users, client_id or None, client_secret or None)


def assign_fields(columns: Sequence[str], options: ColumnOptions) -> list[str | None]:
    """Return the field of each column, ``None`` for columns that are not read.

    Of several columns for one field, the one that the operator names is read, then the one whose
    name is the SDKs' own.

    Raises:
        KeyError: A column that the operator names does not exist.
    """
    places: dict[str, int] = {}
    ranks: dict[str, int] = {}
    for place, column in enumerate(columns):
        name, rank = RANKED.get(_plain(column), ("", 0))
        if name and rank < ranks.get(name, len(RANKED)):
            places[name], ranks[name] = place, rank
    for name, column in options.columns.items():
        places = {each: at for each, at in places.items() if columns[at] != column}
        places[name] = _place_of(column, columns)
    fields: list[str | None] = [None] * len(columns)
    for name, place in places.items():
        fields[place] = name
    return fields


def _place_of(column: str, columns: Sequence[str]) -> int:
    for same in (str, str.lower):
        for place, present in enumerate(columns):
            if same(present.strip()) == same(column):
                return place
    raise KeyError(column)
