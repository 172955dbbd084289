"""What saving a batch of tokens does to the rows, worked out before anything is written."""

from collections.abc import Iterable
from secrets import token_hex
from typing import Final, TypeAlias

from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, looked_up
from zoho_tokenstore.tokens.matching import identity, plan_save
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["BATCH_SIZE", "BatchPlan", "new_id"]

BATCH_SIZE: Final = 4_000
"""Tokens per transaction: few enough to wait for, so many that the commit does not matter."""

Named: TypeAlias = dict[str | None, tuple[str, ...]]
"""The ids of the rows that have a value in one field; none has ``None``."""


def new_id() -> str:
    """Return an id that has never been one: 128 random bits in hexadecimal."""
    return token_hex(16)


class BatchPlan:
    """The rows as they will stand after the batch, and the difference to what is stored.

    Each token is saved onto the rows as the tokens before it have left them, so a batch ends as the
    same tokens would one by one.

    Args:
        stored: Every stored row that shares an id, a user name or a token with the batch.

    Attributes:
        ids: The id of each saved token's row, in order.
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
        # For each field that rows are looked up by, the ids of the rows that have a value there.
        # Tuples, because nearly every value is one row's: sets would cost more than all the rest.
        self._named: list[Named] = [{} for _ in DIGEST_COLUMNS]
        for key, row in self.stored.items():
            self._put(key, row)

    def save(self, token: TokenRecord) -> None:
        """Save one token.

        Raises:
            AmbiguousTokenError: More than one row fits.
            IdConflictError: The token's id belongs to another row.
        """
        related = self.related(token)
        if not related:  # as nearly all tokens of a large batch are
            self._insert(token.with_id(token.id or new_id()))
            return
        plan = plan_save(token, related, new_id())
        key = plan.row.id or ""
        for other in plan.absorbed:
            self._absorb(other.id or "", into=key)
        # A row that is new may have the id of one that was absorbed just before.
        if plan.target is None or key in self.inserted:
            self.inserted[key] = plan.row
        else:
            self.updated[key] = plan.row
        self._put(key, plan.row)
        self.ids.append(key)

    def related(self, token: TokenRecord) -> list[TokenRecord]:
        """Return the rows that share an id, a user name or a token with this one."""
        named = zip(self._named, looked_up(token), strict=True)
        keys = {key for rows, value in named for key in rows.get(value, ())}
        return [self._rows[key] for key in keys]

    def has(self, key: str | None) -> bool:
        """Tell whether an id is taken."""
        return key in self._rows

    def moving(self) -> list[str]:
        """Return the ids of stored rows whose identity changes."""
        return [
            key for key, row in self.updated.items() if identity(row) != identity(self.stored[key])
        ]

    def _insert(self, row: TokenRecord) -> None:
        key = row.id or ""
        self.inserted[key] = self._rows[key] = row
        for rows, value in self._names(row):
            rows[value] = (key,)
        self.ids.append(key)

    def _put(self, key: str, row: TokenRecord) -> None:
        self._take(key)
        self._rows[key] = row
        for rows, value in self._names(row):
            rows[value] = (*rows.get(value, ()), key)

    def _take(self, key: str) -> None:
        if (row := self._rows.pop(key, None)) is not None:
            for rows, value in self._names(row):
                rows[value] = tuple(other for other in rows[value] if other != key)

    def _absorb(self, key: str, *, into: str) -> None:
        self._take(key)
        self.ids = [into if saved == key else saved for saved in self.ids]
        self.inserted.pop(key, None)
        self.updated.pop(key, None)
        if key in self.stored:
            self.deleted.add(key)

    def _names(self, row: TokenRecord) -> list[tuple[Named, str]]:
        named = zip(self._named, looked_up(row), strict=True)
        return [(rows, value) for rows, value in named if value is not None]
