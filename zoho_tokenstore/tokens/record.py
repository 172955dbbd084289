"""The store's own record of a token: frozen, checked, and silent about its secrets."""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

from zoho_tokenstore.errors import InvalidTokenError, TokenTypeError

__all__ = [
    "EXPIRED",
    "FIELDS",
    "MAX_EXPIRY",
    "SECRET_FIELDS",
    "UNKNOWN_EXPIRY",
    "TokenRecord",
    "check_id",
    "check_text",
    "mask",
]

SECRET_FIELDS: Final = ("client_secret", "refresh_token", "access_token", "grant_token")
EXPIRED: Final = 0
"""An expiry in epoch milliseconds that makes every caller refresh."""

MAX_EXPIRY: Final = 2**63 - 1
"""The largest expiry, in epoch milliseconds, that a BIGINT column holds."""

UNKNOWN_EXPIRY: Final = 0
"""Expiry of an imported access token that may have expired at any time: it is to be refreshed."""

_DIGITS: Final = re.compile(f"[0-9]{{1,{len(str(MAX_EXPIRY))}}}")


class TokenRecord(NamedTuple):
    """The stored fields of one OAuth token; an absent field is ``None``, never an empty string.

    A named tuple, because every lookup makes two of them and a frozen dataclass takes several
    times as long to make.

    Attributes:
        id: The store's opaque id.
        user_name: The user, as the SDK names it (``"<email>:<org id>"`` since generation 6).
        client_id: Client id of the Zoho API console.
        client_secret: Client secret that belongs to it.
        refresh_token: Long-lived token that access tokens are made from.
        access_token: Token sent with every API call.
        grant_token: Single-use code of the first login.
        redirect_url: Redirect URL that the grant token was issued for.
        api_domain: Base URL of the data center that serves this user.
        expiry: When the access token expires, in epoch milliseconds.
    """

    id: str | None = None
    user_name: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    access_token: str | None = None
    grant_token: str | None = None
    redirect_url: str | None = None
    api_domain: str | None = None
    expiry: int | None = None

    @classmethod
    def checked(cls, values: Iterable[Any]) -> Self:
        """Make a record of values that come from outside; empty strings count as absent.

        Args:
            values: One for each field, in their order; the expiry as a whole number or its digits.

        Raises:
            TokenTypeError: A text field holds something else.
            InvalidTokenError: A text cannot be stored on every database, or the expiry is garbage.
        """
        *texts, expiry = values
        # Nearly all texts are plain, which a few calls of C tell about all of them together.
        present = tuple(filter(None, texts))
        try:
            together = "".join(present)
        except TypeError:
            together = "\x00"
        if (
            len(present) + texts.count(None) != len(texts)
            or not together.isascii()
            or "\x00" in together
        ):
            texts = list(map(_check_field, cls._fields, texts))
        if expiry is not None:
            expiry = _check_expiry(expiry)
        return cls._make([*texts, expiry])

    def with_id(self, key: str | None) -> Self:
        """Return the same token under an id or without one, in a quarter of ``_replace``'s time."""
        return type(self)(key, *self[1:])

    def is_due(self, now: int, early: int) -> bool:
        """Return whether the refresh token has to be used for an access token.

        Args:
            now: The time in epoch milliseconds.
            early: Milliseconds before its expiry at which an access token counts as expired.
        """
        if self.refresh_token is None:
            return False
        if self.access_token is None:
            return True
        return self.expiry is not None and self.expiry - now < early

    def known(self) -> dict[str, str | int]:
        """Return the fields that are set."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __repr__(self) -> str:
        """Show the fields that are set, secrets masked."""
        shown = []
        for name, value in self.known().items():
            text = mask(value) if name in SECRET_FIELDS and isinstance(value, str) else repr(value)
            shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


FIELDS: Final = TokenRecord._fields


def mask(secret: str) -> str:
    """Shorten a secret to what distinguishes it: ``1000.3f…(70)``, its length in parentheses."""
    shown = secret[:7] if len(secret) >= 24 else ""  # noqa: PLR2004 - a short one would be revealed
    return f"{shown}…({len(secret)})"


def check_text(name: str, value: object) -> str | None:
    """Return ``value`` as text that every database can store, ``None`` when it is empty.

    Args:
        name: The field's name, for the error.
        value: The caller's value.

    Raises:
        TokenTypeError: It is not text.
        InvalidTokenError: It holds U+0000 (which PostgreSQL cannot store) or half a surrogate pair.
    """
    if not isinstance(value, str):
        raise TokenTypeError(f"{name} must be text, not {type(value).__name__}")
    if "\x00" in value:
        raise InvalidTokenError(f"{name} contains U+0000, which not every database can store")
    if not value.isascii():
        _refuse_surrogates(name, value)
    return value or None


def check_id(value: object) -> str | None:
    """Return an id that a caller passed, ``None`` when it is empty.

    Raises:
        TokenTypeError: It is not text; nor is ``None``.
        InvalidTokenError: As in :func:`check_text`.
    """
    return check_text("the id", value)


def _check_field(name: str, value: object) -> str | None:
    return None if value is None else check_text(name, value)


def _refuse_surrogates(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        # From None: the codec's error carries the whole text, and with it a secret.
        raise InvalidTokenError(f"{name} is not valid Unicode: it holds a lone surrogate") from None


def _check_expiry(value: object) -> int | None:
    if value == "":
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_EXPIRY:
        return value
    raise InvalidTokenError(
        "the expiry is invalid: pass epoch milliseconds as an integer, such as '1767225600000'"
    )
