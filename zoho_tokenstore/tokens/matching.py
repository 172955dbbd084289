"""The rules: which stored row a token refers to.

Pure functions over :class:`~zoho_tokenstore.tokens.record.TokenRecord`, used by lookup, upsert and
import alike, so that there is one answer. See ``docs/explanation/token-identity.md`` for the
reasons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zoho_tokenstore.errors import AmbiguousTokenError, InvalidTokenError
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = [
    "BY_GRANT",
    "BY_ID",
    "BY_REFRESH",
    "BY_USER",
    "RULES",
    "Rule",
    "find_one",
    "identity",
    "is_another_login",
    "login_of",
    "only_row",
    "rule_of",
    "storable",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of naming a row.

    Attributes:
        field: The field whose value names the row.
        by_client: The client id has to be the same too, when the token has one.
        without_client: Only for tokens with neither client id nor client secret.
    """

    field: str
    by_client: bool = False
    without_client: bool = False

    def fits(self, token: TokenRecord, row: TokenRecord) -> bool:
        """Return whether the token names this row this way; exact to the last code point."""
        value = getattr(token, self.field)
        if value is None or getattr(row, self.field) != value:
            return False
        return not self.by_client or token.client_id in (None, row.client_id)


BY_USER: Final = Rule("user_name", by_client=True)
BY_ACCESS: Final = Rule("access_token", without_client=True)
BY_GRANT: Final = Rule("grant_token", by_client=True)
BY_REFRESH: Final = Rule("refresh_token", by_client=True)
BY_ID: Final = Rule("id")
RULES: Final = (BY_USER, BY_ACCESS, BY_GRANT, BY_REFRESH, BY_ID)
"""In order of precedence: the first rule that applies decides alone."""


def rule_of(token: TokenRecord) -> Rule | None:
    """Return the rule that decides for this token, ``None`` when it names no row."""
    for rule in RULES:
        if getattr(token, rule.field) is None:
            continue
        if not (rule.without_client and (token.client_id or token.client_secret)):
            return rule
    return None


def find_one(rule: Rule, token: TokenRecord, rows: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the only row that fits.

    Raises:
        AmbiguousTokenError: More than one does.
    """
    return only_row([row for row in rows if rule.fits(token, row)], rule)


def only_row(rows: Sequence[TokenRecord], rule: Rule) -> TokenRecord | None:
    """Return the only one of these rows, ``None`` of none.

    Raises:
        AmbiguousTokenError: There is more than one.
    """
    if len(rows) > 1:
        advice = "pass the client id" if rule.by_client else "pass the user name or the id"
        raise AmbiguousTokenError(
            f"{len(rows)} stored tokens match this {rule.field.replace('_', ' ')}: {advice} "
            "as well",
            tuple(row.id for row in rows if row.id is not None),
        )
    return rows[0] if rows else None


def storable(token: TokenRecord) -> TokenRecord:
    """Return a token as it is saved: without an expiry that is not that of its access token.

    Raises:
        InvalidTokenError: It has no access, refresh or grant token.
    """
    if not (token.access_token or token.refresh_token or token.grant_token):
        raise InvalidTokenError(
            "the token is empty: set an access token, a refresh token or a grant token"
        )
    return token if token.access_token else token._replace(expiry=None)


def identity(row: TokenRecord) -> tuple[str, str, str]:
    """Return what no two rows may share: the value that names the row, and its client.

    A row without a user is its login, so grant and refresh token come before the access token,
    which every refresh replaces.
    """
    for field in ("user_name", "grant_token", "refresh_token"):
        if value := getattr(row, field):
            return field, value, row.client_id or ""
    return "access_token", row.access_token or "", row.client_id or ""


def login_of(row: TokenRecord) -> str | None:
    """Return the token that makes the row's login: another token is another login."""
    return row.refresh_token or row.grant_token or row.access_token


def is_another_login(row: TokenRecord, token: TokenRecord) -> bool:
    """Return whether a token has the id of a row that belongs to another login.

    What one of them does not have tells nothing. The client and the user decide if both have them,
    then the refresh token, then the grant token. SDKs before 6-0 name a user by the mail address
    alone, later ones by ``mail:organization``.
    """
    if row.client_id and token.client_id and row.client_id != token.client_id:
        return True
    if row.user_name and token.user_name:
        stored, given = row.user_name, token.user_name
        return given not in (stored, stored.partition(":")[0]) and given.partition(":")[0] != stored
    for field in ("refresh_token", "grant_token"):
        stored, given = getattr(row, field), getattr(token, field)
        if stored and given:
            return bool(stored != given)
    return False
