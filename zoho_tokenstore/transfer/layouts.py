"""How the SDKs' own stores lay tokens out: three files and three tables, told by their columns."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from zoho_tokenstore.encryption.cipher import MARK
from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.matching import check_storable
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

__all__ = ["FILES", "FileLayout", "Layout", "SourceRow", "layout_of"]

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
zohocrmsdk5-0 2.0.0 to 8-0 7.0.0, whose older files lack the last."""

FIELD_OF: Final = {name: name for name in FIELDS if name != "expiry"} | {
    "user_mail": "user_name",
    "expiry_time": "expiry",
    "expires_in": "expiry",
    "redirect_uri": "redirect_url",
}
"""The field of each column, in files and tables alike."""

REQUIRED: Final = frozenset({"client_id", "refresh_token", "access_token", "expiry"})
NO_EXPIRY: Final = "None"
"""What stands for an expiry that is not there: contract B stores ``str(None)``."""

EXPIRED: Final = 0
"""The expiry of an access token of which none is known, if it can be refreshed: without one the
SDKs would never do so."""


secrets_of: Final = attrgetter(*SECRET_FIELDS)
"""Return the secrets of a token, in their order."""


class SourceRow(NamedTuple):
    """One row of a source.

    Attributes:
        where: Its place, for people.
        token: What it holds, ``None`` if it cannot be used.
        problem: Why it cannot.
        size: How far it takes one through the source.
    """

    where: str
    token: TokenRecord | None
    problem: str = ""
    size: int = 1


class Layout:
    """Which field of a token each column holds.

    Args:
        fields: A field for each column, ``None`` for columns that are none of the SDK's.
    """

    def __init__(self, fields: Sequence[str | None]) -> None:
        """Look up where each field stands."""
        places = {field: place for place, field in enumerate(fields)}
        # Contract A numbers its rows for itself (its files have no ids); no SDK ever asks by them.
        known = [name for name in FIELDS if name != "id" or "client_secret" in places]
        self._places = tuple(places.get(name) if name in known else None for name in FIELDS)

    def token(self, values: Sequence[Any]) -> TokenRecord:
        """Make a token of a row.

        Raises:
            InvalidTokenError: A value is garbage, or there is no token in it.
        """
        # Not the empty texts of a file: the check of a token would look at each of them closely.
        found = [None if place is None else values[place] or None for place in self._places]
        key, *_, expiry = found
        if isinstance(key, int):
            found[0] = str(key)
        if expiry == NO_EXPIRY:
            found[-1] = None
        token = TokenRecord.checked(found)
        for name, secret in zip(SECRET_FIELDS, secrets_of(token), strict=True):
            if secret is not None and secret.startswith(MARK):
                raise InvalidTokenError(f"{name} begins with {MARK!r}, as encrypted values do")
        check_storable(token)
        if token.refresh_token and token.access_token and token.expiry is None:
            return token._replace(expiry=EXPIRED)
        return token

    def row(self, where: str, values: Sequence[Any], size: int = 1) -> SourceRow:
        """Make a row of the source of it, with the problem if there is one."""
        try:
            return SourceRow(where, self.token(values), size=size)
        except InvalidTokenError as error:
            return SourceRow(where, None, str(error), size)


def layout_of(columns: Sequence[str]) -> Layout | None:
    """Return the layout of columns with these names, ``None`` if they are not the SDK's."""
    fields = tuple(FIELD_OF.get(name.strip().lower()) for name in columns)
    return Layout(fields) if set(fields) >= REQUIRED else None
