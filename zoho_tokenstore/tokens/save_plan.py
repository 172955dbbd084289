"""What saving a token does to the stored rows, worked out before anything is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from zoho_tokenstore.errors import AmbiguousTokenError, IdConflictError
from zoho_tokenstore.tokens.matching import (
    BY_GRANT,
    BY_ID,
    BY_REFRESH,
    BY_USER,
    find_one,
    identity,
    only_row,
    rule_of,
)
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["BATCH_SIZE", "SavePlan", "new_id", "plan_save"]

BATCH_SIZE: Final = 4_000
"""Tokens per transaction: few enough to wait for, so many that the commit does not matter."""


def new_id() -> str:
    """Return an id that was never used: 128 random bits in hexadecimal."""
    return token_hex(16)


@dataclass(frozen=True, slots=True)
class SavePlan:
    """What saving one token does to the rows.

    Attributes:
        row: The row as it stands afterwards.
        target: The row that is updated, ``None`` when one is inserted.
        absorbed: Rows without a user that held the same login; they become part of the target.
        is_outdated: The target has superseded the token's login, and stays as it is.
    """

    row: TokenRecord
    target: TokenRecord | None
    absorbed: tuple[TokenRecord, ...] = ()
    is_outdated: bool = False


def plan_save(
    token: TokenRecord,
    rows: Iterable[TokenRecord],
    new_id: str,
    is_outdated: Callable[[TokenRecord, TokenRecord], bool] = lambda *_: False,
) -> SavePlan:
    """Decide which row a token is saved to.

    Args:
        token: The token to save.
        rows: Every stored row that shares its id, user name or any of its three tokens.
        new_id: The id of a new row, unless the token brings one.
        is_outdated: Returns whether a token has a refresh token that its row has superseded.

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
    if is_outdated(token, target):
        return SavePlan(target, target, is_outdated=True)
    row = _overlay(target, token)
    absorbed = []
    for other in logins:
        if _can_be_absorbed(other, target, row):
            row = _overlay(other, row)
            absorbed.append(other)
    row = row._replace(id=target.id)
    _refuse_second_identity(row, (other for other in rows if other not in (target, *absorbed)))
    return SavePlan(row, target, tuple(absorbed))


def _same_login(token: TokenRecord, rows: Sequence[TokenRecord]) -> list[TokenRecord]:
    """Return the rows with the token's grant or refresh token, in an order that rows decide."""
    logins = [row for row in rows if BY_GRANT.fits(token, row) or BY_REFRESH.fits(token, row)]
    return sorted(logins, key=lambda row: (not BY_GRANT.fits(token, row), identity(row)))


def _by_rule(token: TokenRecord, rows: Sequence[TokenRecord]) -> TokenRecord | None:
    rule = rule_of(token)
    if rule is None or rule is BY_ID:
        # An access token with a client names no row in a lookup, but saving it twice is one row.
        return next((row for row in rows if identity(row) == identity(token)), None)
    return find_one(rule, token, rows)


def _by_client_gained(token: TokenRecord, rows: Sequence[TokenRecord]) -> TokenRecord | None:
    """Find the row that this user had before the client was known."""
    if token.user_name is None:
        return None
    same = [row for row in rows if row.user_name == token.user_name and row.client_id is None]
    return only_row(same, BY_USER)


def _by_login(token: TokenRecord, logins: Sequence[TokenRecord]) -> TokenRecord | None:
    """Find the row of the same grant or refresh token.

    For a token with a user, it is a row without one; for a token without a user, its owner's row.
    """
    unowned = [row for row in logins if row.user_name is None]
    owned = [row for row in logins if row.user_name is not None and token.user_name is None]
    return only_row(owned, BY_REFRESH) or (unowned[0] if unowned else None)


def _by_id(token: TokenRecord, holder: TokenRecord | None) -> TokenRecord | None:
    """Find the row that the token's id names, when it can be the same login."""
    if holder is None:
        return None
    same_user = holder.user_name in (None, token.user_name)
    same_client = token.client_id in (None, holder.client_id)
    # A client may be learned later, but not for a nameless login that was another client's.
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


def _can_be_absorbed(other: TokenRecord, target: TokenRecord, row: TokenRecord) -> bool:
    """Return whether ``other`` is the same login without a user, and would lose nothing."""
    return (
        other is not target
        and other.user_name is None
        and other.client_id in (None, row.client_id)
        and (row.refresh_token is None or other.refresh_token in (None, row.refresh_token))
    )


def _refuse_second_identity(row: TokenRecord, others: Iterable[TokenRecord]) -> None:
    for other in others:
        if identity(other) == identity(row):
            raise AmbiguousTokenError(
                "2 stored tokens would become the same login: delete the one that is not used",
                (row.id or "", other.id or ""),
            )


def _overlay(row: TokenRecord, token: TokenRecord) -> TokenRecord:
    """Return the row with the token's non-empty fields: nothing stored is ever erased."""
    return TokenRecord._make(
        old if new is None else new for old, new in zip(row, token, strict=True)
    )


def _id_conflict(holder: TokenRecord) -> IdConflictError:
    return IdConflictError(
        f"the id {holder.id!r} belongs to another stored token: save this token without an id, "
        "or delete the other one first",
        id=holder.id or "",
    )
