"""What saving tokens does to the stored rows, worked out before anything is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, TypeAlias

from zoho_tokenstore.errors import AmbiguousTokenError, IdConflictError
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, looked_up
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

__all__ = ["BATCH_SIZE", "BatchPlan", "SavePlan", "new_id", "plan_save"]

BATCH_SIZE: Final = 4_000
"""Tokens per transaction: few enough to wait for, so many that the commit does not matter."""

IdsByValue: TypeAlias = dict[str | None, tuple[str, ...]]
"""The ids of the rows that have a value in one field; ``None`` is never a key."""


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
    """

    row: TokenRecord
    target: TokenRecord | None
    absorbed: tuple[TokenRecord, ...] = ()


class BatchPlan:
    """The rows as they will stand after a batch, and the difference to what is stored.

    Each token is added to the rows as the tokens before it have left them, so a batch ends as the
    same tokens would one by one.

    Args:
        stored: Every stored row that shares an id, a user name or a token with the batch.

    Attributes:
        ids: The id of each added token's row, in order.
        stored: Those rows by id, as they were.
        inserted: New rows by id.
        updated: Stored rows that change, by id, as they will be.
        deleted: Ids of stored rows that became part of another.
    """

    def __init__(self, stored: Iterable[TokenRecord]) -> None:
        """Index the stored rows by everything that a token can name them by."""
        self.stored = {row.id: row for row in stored if row.id is not None}
        self.ids: list[str] = []
        self.inserted: dict[str, TokenRecord] = {}
        self.updated: dict[str, TokenRecord] = {}
        self.deleted: set[str] = set()
        self._rows: dict[str, TokenRecord] = {}
        # Tuples, because nearly every value is one row's: sets would cost more than all the rest.
        self._index: list[IdsByValue] = [{} for _ in DIGEST_COLUMNS]
        for key, row in self.stored.items():
            self._index_row(key, row)

    def add_token(self, token: TokenRecord) -> None:
        """Plan to save one more token.

        Raises:
            AmbiguousTokenError: More than one row fits.
            IdConflictError: The token's id belongs to another row.
        """
        related = self.related_rows(token)
        if not related:  # as nearly all tokens of a large batch are
            self._insert_row(token.with_id(token.id or new_id()))
            return
        plan = plan_save(token, related, new_id())
        key = plan.row.id or ""
        for other in plan.absorbed:
            self._absorb_row(other.id or "", into=key)
        # A row that is new may have the id of one that was absorbed just before.
        if plan.target is None or key in self.inserted:
            self.inserted[key] = plan.row
        else:
            self.updated[key] = plan.row
        self._index_row(key, plan.row)
        self.ids.append(key)

    def related_rows(self, token: TokenRecord) -> list[TokenRecord]:
        """Return the rows that share an id, a user name or a token with this one."""
        indexed = zip(self._index, looked_up(token), strict=True)
        keys = {key for index, value in indexed for key in index.get(value, ())}
        return [self._rows[key] for key in keys]

    def has_id(self, key: str | None) -> bool:
        """Return whether an id is taken."""
        return key in self._rows

    def ids_with_new_identity(self) -> list[str]:
        """Return the ids of stored rows whose identity changes."""
        return [
            key for key, row in self.updated.items() if identity(row) != identity(self.stored[key])
        ]

    def _insert_row(self, row: TokenRecord) -> None:
        key = row.id or ""
        self.inserted[key] = self._rows[key] = row
        for index, value in self._index_entries(row):
            index[value] = (key,)
        self.ids.append(key)

    def _index_row(self, key: str, row: TokenRecord) -> None:
        self._unindex_row(key)
        self._rows[key] = row
        for index, value in self._index_entries(row):
            index[value] = (*index.get(value, ()), key)

    def _unindex_row(self, key: str) -> None:
        if (row := self._rows.pop(key, None)) is not None:
            for index, value in self._index_entries(row):
                index[value] = tuple(other for other in index[value] if other != key)

    def _absorb_row(self, key: str, *, into: str) -> None:
        self._unindex_row(key)
        self.ids = [into if saved == key else saved for saved in self.ids]
        self.inserted.pop(key, None)
        self.updated.pop(key, None)
        if key in self.stored:
            self.deleted.add(key)

    def _index_entries(self, row: TokenRecord) -> list[tuple[IdsByValue, str]]:
        indexed = zip(self._index, looked_up(row), strict=True)
        return [(index, value) for index, value in indexed if value is not None]


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
