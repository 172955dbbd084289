"""Columns of the files and tables of the SDKs' own stores."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.matching import storable
from zoho_tokenstore.tokens.record import FIELDS, UNKNOWN_EXPIRY, TokenRecord
from zoho_tokenstore.transfer.expiry import parse_expiry

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
ABSENT: Final = ("", "None", "null", "NULL")
"""Texts of an absent value: contract B stores ``str(None)``."""

UNKNOWN: Final = "expiry not understood: imported as expired, to be refreshed at the next use"


class SourceRow(NamedTuple):
    """One row of a source.

    Attributes:
        place: Position in the source, such as ``line 3``.
        token: Token of the row, ``None`` if the row is not usable.
        problem: Reason why it is not usable.
        size: Share of the source's ``total``.
        notice: Conversion of its expiry, empty for none.
    """

    place: str
    token: TokenRecord | None
    problem: str = ""
    size: int = 1
    notice: str = ""


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

    def parse_row(self, place: str, values: Sequence[Any], size: int = 1) -> SourceRow:
        """Convert the values of a row to a token, or to the problem with it."""
        *texts, expiry = (None if at is None else _present(values[at]) for at in self._places)
        try:
            token = storable(TokenRecord.checked([*map(_text, texts), None]))
            token, notice = _with_expiry(token, expiry)
        except InvalidTokenError as error:
            return SourceRow(place, None, str(error), size)
        return SourceRow(place, token, size=size, notice=notice)


def _present(value: object) -> object:
    # None instead of empty texts, for which the check of a token takes a slower path.
    return None if isinstance(value, str) and value in ABSENT else value


def _text(value: object) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number or isinstance(value, UUID) else value


def _with_expiry(token: TokenRecord, value: object) -> tuple[TokenRecord, str]:
    """Return a token with its expiry, and the notice for the operator.

    A token that can be refreshed needs an expiry, without which the SDKs would never refresh it.

    Raises:
        InvalidTokenError: The expiry is not understood and the token cannot be refreshed.
    """
    if token.access_token is None:
        return token, ""
    if value is None:
        return token._replace(expiry=UNKNOWN_EXPIRY if token.refresh_token else None), ""
    try:
        expiry, notice = parse_expiry(value)
    except InvalidTokenError:
        raise
    except (ValueError, OverflowError):
        if token.refresh_token is None:
            raise InvalidTokenError(
                "the expiry is not understood and the token cannot be refreshed: pass epoch "
                "milliseconds, such as '1767225600000'"
            ) from None
        return token._replace(expiry=UNKNOWN_EXPIRY), UNKNOWN
    return token._replace(expiry=expiry), notice


def layout_of(columns: Sequence[str]) -> Layout | None:
    """Return the layout of columns with these names, ``None`` for other than an SDK's."""
    return None if missing_columns(columns) else Layout(_fields_of(columns))


def missing_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns that every SDK's store has and these are not, by the SDKs' names."""
    missing = REQUIRED.difference(_fields_of(columns))
    return sorted("expiry_time" if name == "expiry" else name for name in missing)


def _fields_of(columns: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(FIELD_OF.get(name.strip().lower()) for name in columns)
