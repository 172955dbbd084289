"""Columns of the files and tables of the SDKs' own stores."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.matching import storable
from zoho_tokenstore.tokens.record import FIELDS, UNKNOWN_EXPIRY, TokenRecord
from zoho_tokenstore.transfer.columns import ColumnOptions, assign_fields
from zoho_tokenstore.transfer.expiry import parse_expiry

__all__ = ["AS_NAMED", "FILES", "TOKEN_FIELDS", "FileLayout", "Layout", "SourceRow"]

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

ABSENT: Final = frozenset({"", "None", "null", "NULL"})
"""Texts of an absent value: contract B stores ``str(None)``."""

TOKEN_FIELDS: Final = frozenset({"refresh_token", "access_token", "grant_token"})
"""Fields of which a token has one at least."""

LOGINS: Final = TOKEN_FIELDS - {"access_token"}
AN_SDKS: Final = "an SDK's store"
AS_NAMED: Final = ColumnOptions()

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
        columns: Names of the columns.
        options: What the operator says about them.

    Attributes:
        fields: Fields that the columns hold.
        unread: Names of columns that are not read.
        problem: Why rows with these columns cannot be imported, as a predicate; empty if they can.
    """

    def __init__(self, columns: Sequence[str], options: ColumnOptions = AS_NAMED) -> None:
        """Look up the column of each field."""
        self.problem = ""
        try:
            fields = assign_fields(columns, options)
        except KeyError as error:
            fields = [None] * len(columns)
            self.problem = f"has no column {error.args[0]!r}, which --columns names"
        places = {name: place for place, name in enumerate(fields) if name is not None}
        self.fields = places.keys()
        self.unread = [name for name, used in zip(columns, fields, strict=True) if used is None]
        self.problem = self.problem or _problem(self.fields, options)
        if self.problem:
            self.problem += f" (its columns are {', '.join(columns)})"
        # Contract A numbers the rows of its table, but its SDK does not use these ids.
        known = [name for name in FIELDS if name != "id" or "client_secret" in places]
        self._places = tuple(places.get(name) if name in known else None for name in FIELDS)
        self._client = (options.client_id, options.client_secret)

    def parse_row(self, place: str, values: Sequence[Any], size: int = 1) -> SourceRow:
        """Convert the values of a row to a token, or to the problem with it."""
        *texts, expiry = [None if at is None else _plain(values[at]) for at in self._places]
        try:
            token = storable(TokenRecord.checked([*texts, None]))
            token, notice = _with_expiry(self._with_client(token), expiry)
        except InvalidTokenError as error:
            return SourceRow(place, None, str(error), size)
        return SourceRow(place, token, size=size, notice=notice)

    def _with_client(self, token: TokenRecord) -> TokenRecord:
        client_id, client_secret = self._client
        if client_id is not None and token.client_id is None:
            token = token._replace(client_id=client_id)
        is_its_secret = client_id is None or token.client_id == client_id
        if client_secret is not None and token.client_secret is None and is_its_secret:
            token = token._replace(client_secret=client_secret)
        return token


def _problem(fields: AbstractSet[str], options: ColumnOptions) -> str:
    """Return why rows with these fields cannot be imported, empty if they can.

    Access tokens alone need no client.
    """
    if TOKEN_FIELDS.isdisjoint(fields):
        return f"lacks the columns refresh_token of {AN_SDKS}: pass --columns refresh_token=COLUMN"
    if not (LOGINS.isdisjoint(fields) or "client_id" in fields or options.client_id):
        return (
            f"lacks the columns client_id of {AN_SDKS}: pass --columns client_id=COLUMN, or "
            "--client-id with the client of all rows"
        )
    if "user_name" not in fields and not options.without_users:
        return (
            "has no column for the user, so that its users would have to log in again: pass "
            "--columns user_name=COLUMN, or --without-users to import logins without users"
        )
    return ""


def _plain(value: object) -> object:
    # None instead of empty texts, for which the check of a token takes a slower path.
    if isinstance(value, str):
        return None if value in ABSENT else value
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
