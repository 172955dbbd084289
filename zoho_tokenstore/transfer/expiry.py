"""The expiry of an access token, in the spellings that files and tables have."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.tokens.record import MAX_EXPIRY

__all__ = ["parse_expiry"]

SECONDS: Final = range(10**8, 10**10)
"""Numbers that are epoch seconds, of 1973 to 2286. Smaller ones are lifetimes, such as 3600."""

EARLIEST_MILLISECONDS: Final = 10**11
"""As seconds this is the year 5138. Numbers in between are cut."""

MISPLACED: Final = re.compile(r"1000\.|https?:")
"""The beginning of a Zoho token or a URL: the values of a row are in the wrong columns."""

IN_SECONDS: Final = "expiry in seconds converted to milliseconds"
IN_DECIMALS: Final = "expiry with decimals or an exponent converted to whole milliseconds"
AS_TIME: Final = "expiry as a date and time converted to milliseconds"
AS_LOCAL_TIME: Final = "expiry as a date and time without a time zone converted as UTC"


def parse_expiry(value: object) -> tuple[int, str]:
    """Convert an expiry to epoch milliseconds.

    Args:
        value: Number or text in milliseconds or seconds, ``datetime``, or text in ISO 8601.

    Returns:
        The milliseconds and the conversion that was made, empty for none.

    Raises:
        InvalidTokenError: The value is the token or the URL of another column.
        ValueError: The spelling is not understood.
    """
    if isinstance(value, datetime):
        return _parse_time(value)
    if isinstance(value, str):
        if MISPLACED.match(value):
            raise InvalidTokenError(
                "the expiry is a token or a URL: the values are in wrong columns"
            )
        value = value.strip()
    number = _number(value)
    if number is not None:
        return _parse_number(number, plain=isinstance(value, int) or str(value).isdecimal())
    if isinstance(value, str):
        return _parse_time(datetime.fromisoformat(value))
    raise ValueError(type(value).__name__)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _parse_number(number: Decimal, *, plain: bool) -> tuple[int, str]:
    if number == 0:
        return 0, ""
    if SECONDS.start <= number < SECONDS.stop:
        return int(number * 1000), IN_SECONDS
    if EARLIEST_MILLISECONDS <= number <= MAX_EXPIRY:
        return int(number), "" if plain else IN_DECIMALS
    raise ValueError("neither seconds nor milliseconds")


def _parse_time(value: datetime) -> tuple[int, str]:
    notice = AS_TIME
    if value.tzinfo is None:
        value, notice = value.replace(tzinfo=UTC), AS_LOCAL_TIME
    milliseconds = int(value.timestamp() * 1000)
    if milliseconds < 0:
        raise ValueError("before 1970")
    return milliseconds, notice
