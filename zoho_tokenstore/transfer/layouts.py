"""How the SDKs' own stores lay tokens out: three files and three tables, told by their columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from zoho_tokenstore.encryption import MARK
from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.matching import check_storable
from zoho_tokenstore.token import FIELDS, SECRET_FIELDS, TokenRecord

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
ABSENT: Final = ("", "None")
"""What stands for an expiry that is not there: contract B stores ``str(None)``."""

EXPIRED: Final = 0
"""The expiry of an access token of which none is known, if it can be refreshed: without one the
SDKs would never do so."""


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


@dataclass(frozen=True, slots=True)
class Layout:
    """Which field of a token each column holds.

    Attributes:
        fields: A field for each column, ``None`` for columns that are none of the SDK's.
    """

    fields: tuple[str | None, ...]

    def token(self, values: Sequence[Any]) -> TokenRecord:
        """Make a token of a row.

        Raises:
            InvalidTokenError: A value is garbage, or there is no token in it.
        """
        found: dict[str, Any] = {
            field: value
            for field, value in zip(self.fields, values, strict=True)
            if field is not None
        }
        if found.get("expiry") in ABSENT:
            found["expiry"] = None
        # Contract A numbers its rows for itself (its files have no ids); no SDK ever asks by them.
        key = found.get("id") if "client_secret" in self.fields else None
        found["id"] = str(key) if isinstance(key, int) else key
        token = TokenRecord.checked(map(found.get, FIELDS))
        for name in SECRET_FIELDS:
            if (getattr(token, name) or "").startswith(MARK):
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
