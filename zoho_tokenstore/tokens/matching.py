"""The rules: which stored row a token speaks of.

Pure functions over :class:`~zoho_tokenstore.tokens.record.TokenRecord`, used by lookup, upsert and
import alike, so that there is one answer. ``docs/explanation/token-identity.md`` tells the reasons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zoho_tokenstore.errors import AmbiguousTokenError, IdConflictError, InvalidTokenError
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = [
    "RULES",
    "Rule",
    "SavePlan",
    "check_storable",
    "find_one",
    "identity",
    "login_of",
    "plan_save",
    "rule_of",
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

    def applies(self, token: TokenRecord) -> bool:
        """Tell whether the token names its row this way."""
        if self.without_client and (token.client_id or token.client_secret):
            return False
        return getattr(token, self.field) is not None

    def fits(self, token: TokenRecord, row: TokenRecord) -> bool:
        """Tell whether the token names this row this way; exact to the last code point."""
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
        if rule.applies(token):
            return rule
    return None


def find_one(rule: Rule, token: TokenRecord, rows: Iterable[TokenRecord]) -> TokenRecord | None:
    """Return the only row that fits.

    Raises:
        AmbiguousTokenError: More than one does.
    """
    return _only([row for row in rows if rule.fits(token, row)], rule)


def check_storable(token: TokenRecord) -> None:
    """Refuse a token that a login could never be continued from.

    Raises:
        InvalidTokenError: It has no access, refresh or grant token.
    """
    if not (token.access_token or token.refresh_token or token.grant_token):
        raise InvalidTokenError(
            "there is nothing to store: set an access token, a refresh token or a grant token"
        )


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
    """Return the token that the row lives on: another one is another login."""
    return row.refresh_token or row.grant_token or row.access_token


@dataclass(frozen=True, slots=True)
class SavePlan:
    """What saving a token does to the rows.

    Attributes:
        row: The row as it stands afterwards.
        target: The row that is updated, ``None`` when one is inserted.
        absorbed: Rows without a user that held the same login; they become part of the target.
    """

    row: TokenRecord
    target: TokenRecord | None
    absorbed: tuple[TokenRecord, ...] = ()


def plan_save(token: TokenRecord, rows: Iterable[TokenRecord], new_id: str) -> SavePlan:
    """Decide which row a token is saved to.

    Args:
        token: The token to save.
        rows: Every stored row that shares its id, user name or any of its three tokens.
        new_id: The id of a new row, unless the token brings one.

    Raises:
        AmbiguousTokenError: More than one row fits.
        IdConflictError: The token's id is the id of another user's or another client's row.
    """
    rows = tuple(rows)
    if not rows:
        return SavePlan(token.with_id(token.id or new_id), None)
    logins = _same_login(token, rows)
    holder = next((row for row in rows if row.id == token.id), None)
    target = (
        _by_rule(token, rows)
        or _by_client_gained(token, rows)
        or _by_login(token, logins)
        or _by_id(token, holder)
    )
    if target is None:
        return SavePlan(token.with_id(token.id or new_id), None)
    _refuse_foreign_id(token, target, holder)
    row = _overlay(target, token)
    absorbed = [other for other in logins if _absorbable(other, target, row)]
    for other in absorbed:
        row = _overlay(other, row)
    return SavePlan(row._replace(id=target.id), target, tuple(absorbed))


def _same_login(token: TokenRecord, rows: Sequence[TokenRecord]) -> list[TokenRecord]:
    """Return the rows with the token's grant or refresh token, in an order that rows decide."""
    logins = [row for row in rows if BY_GRANT.fits(token, row) or BY_REFRESH.fits(token, row)]
    return sorted(logins, key=lambda row: (not BY_GRANT.fits(token, row), identity(row)))


def _by_rule(token: TokenRecord, rows: Sequence[TokenRecord]) -> TokenRecord | None:
    rule = rule_of(token)
    if rule is None or rule is BY_ID:
        # An access token beside a client names no row in a lookup, but saving it twice is one row.
        return next((row for row in rows if identity(row) == identity(token)), None)
    return find_one(rule, token, rows)


def _by_client_gained(token: TokenRecord, rows: Sequence[TokenRecord]) -> TokenRecord | None:
    """Find the row that this user had before the client was known."""
    if token.user_name is None:
        return None
    same = [row for row in rows if row.user_name == token.user_name and row.client_id is None]
    return _only(same, BY_USER)


def _by_login(token: TokenRecord, logins: Sequence[TokenRecord]) -> TokenRecord | None:
    """Find the row of the same grant or refresh token: nobody's, or (for nobody) its user's."""
    unowned = [row for row in logins if row.user_name is None]
    owned = [row for row in logins if row.user_name is not None and token.user_name is None]
    return _only(owned, BY_REFRESH) or (unowned[0] if unowned else None)


def _by_id(token: TokenRecord, holder: TokenRecord | None) -> TokenRecord | None:
    """Find the row that the token's id names, when it can be the same login."""
    if holder is None:
        return None
    same_user = holder.user_name in (None, token.user_name)
    same_client = token.client_id in (None, holder.client_id)
    # A client may be learnt later, but not for a nameless login that has been another client's.
    learns_client = holder.client_id is None and (
        token.user_name is not None or not (holder.grant_token or holder.refresh_token)
    )
    if same_user and (same_client or learns_client):
        return holder
    raise _id_conflict(holder)


def _refuse_foreign_id(token: TokenRecord, target: TokenRecord, holder: TokenRecord | None) -> None:
    if holder is None or holder is target or holder.user_name in (None, token.user_name):
        return
    raise _id_conflict(holder)


def _absorbable(other: TokenRecord, target: TokenRecord, row: TokenRecord) -> bool:
    """Tell whether ``other`` is the same login without a user, and nothing of it would be lost."""
    return (
        other is not target
        and other.user_name is None
        and other.client_id in (None, row.client_id)
        and other.refresh_token in (None, row.refresh_token)
    )


def _overlay(row: TokenRecord, token: TokenRecord) -> TokenRecord:
    """Return the row with the token's non-empty fields: nothing stored is ever erased."""
    return TokenRecord._make(
        old if new is None else new for old, new in zip(row, token, strict=True)
    )


def _only(rows: Sequence[TokenRecord], rule: Rule) -> TokenRecord | None:
    if len(rows) > 1:
        advice = "pass the client id" if rule.by_client else "pass the user name or the id"
        raise AmbiguousTokenError(
            f"{len(rows)} stored tokens fit this {rule.field.replace('_', ' ')}: {advice} as well",
            tuple(row.id for row in rows if row.id is not None),
        )
    return rows[0] if rows else None


def _id_conflict(holder: TokenRecord) -> IdConflictError:
    return IdConflictError(
        f"the id {holder.id!r} belongs to another stored token: save this one without an id, "
        "or delete the other first",
        id=holder.id or "",
    )
