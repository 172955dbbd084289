"""Columns of the files and tables of the SDKs' own stores."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.matching import storable
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

__all__ = ["FILES", "FileLayout", "Layout", "SourceRow", "layout_of", "missing_columns"]

FileLayout = Literal["A", "B", "C"]

FILES: Final[dict[FileLayout, tuple[str, ...]]] = {
    "A": ("user_mail", "client_id", "refresh_token", "access_token", "grant_token", "expiry_time"),
    "B": (
        *("id", "user_mail", "client_id", "client_secret", "refresh_token", "access_token"),
        *("grant_token", "expiry_time", "redirect_uri"),
    ),
    "C": (
        *("id", "user_name", "client_id", "client_secret", "refresh_token", "access_token"),
        *("grant_token", "expiry_time", "redirect_uri", "api_domain"),
    ),
}
"""The columns of each contract's ``FileStore``: zcrmsdk 3.1.0; zohocrmsdk2-0 6.0.0 and 2-1 3.0.0;
zohocrmsdk5-0 2.0.0 to 8-0 7.0.0, whose older files do not have the last column."""

FIELD_OF: Final = {name: name for name in FIELDS if name != "expiry"} | {
    "user_mail": "user_name",
    "expiry_time": "expiry",
    "expires_in": "expiry",
    "redirect_uri": "redirect_url",
}
"""Field of each column, in files and tables."""

REQUIRED: Final = frozenset({"client_id", "refresh_token", "access_token", "expiry"})
NO_EXPIRY: Final = "None"
"""Absent expiry: contract B stores ``str(None)``."""

EXPIRED: Final = 0
"""Expiry of an access token with a refresh token and an unknown expiry: without an expiry the SDKs
would never refresh it."""

secrets_of: Final = attrgetter(*SECRET_FIELDS)
"""Return the secrets of a token in the order of ``SECRET_FIELDS``."""


class SourceRow(NamedTuple):
    """One row of a source.

    Attributes:
        place: Position in the source, such as ``line 3``.
        token: Token of the row, ``None`` if the row is not usable.
        problem: Reason why it is not usable.
        size: Share of the source's ``total``.
    """

    place: str
    token: TokenRecord | None
    problem: str = ""
    size: int = 1


class Layout:
    """The assignment of columns to fields of a token.

    Args:
        fields: Field of each column, ``None`` for unknown columns.
    """

    def __init__(self, fields: Sequence[str | None]) -> None:
        """Look up the column of each field."""
        places = {field: place for place, field in enumerate(fields)}
        # Contract A numbers the rows of its table, but its SDK does not use these ids.
        known = [name for name in FIELDS if name != "id" or "client_secret" in places]
        self._places = tuple(places.get(name) if name in known else None for name in FIELDS)

    def parse_token(self, values: Sequence[Any]) -> TokenRecord:
        """Convert the values of a row to a token.

        Raises:
            InvalidTokenError: A value is invalid, or the row has no token.
        """
        # None instead of empty texts, for which the check of a token takes a slower path.
        found = [None if place is None else values[place] or None for place in self._places]
        key, *_, expiry = found
        if isinstance(key, int):
            found[0] = str(key)
        if expiry == NO_EXPIRY:
            found[-1] = None
        token = storable(TokenRecord.checked(found))
        if token.refresh_token and token.access_token and token.expiry is None:
            return token._replace(expiry=EXPIRED)
        return token

    def parse_row(self, place: str, values: Sequence[Any], size: int = 1) -> SourceRow:
        """Convert the values of a row to a token, or to the problem with it."""
        try:
            return SourceRow(place, self.parse_token(values), size=size)
        except InvalidTokenError as error:
            return SourceRow(place, None, str(error), size)


def layout_of(columns: Sequence[str]) -> Layout | None:
    """Return the layout of columns with these names, ``None`` for other than an SDK's."""
    return None if missing_columns(columns) else Layout(_fields_of(columns))


def missing_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns that every SDK's store has and these are not, by the SDKs' names."""
    missing = REQUIRED.difference(_fields_of(columns))
    return sorted("expiry_time" if name == "expiry" else name for name in missing)


def _fields_of(columns: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(FIELD_OF.get(name.strip().lower()) for name in columns)
