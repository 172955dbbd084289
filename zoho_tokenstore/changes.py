"""What saving a batch of tokens does to the rows, worked out before anything is written."""

from collections.abc import Iterable
from secrets import token_hex
from typing import TypeAlias

from zoho_tokenstore.digests import DIGEST_COLUMNS, looked_up
from zoho_tokenstore.matching import identity, plan_save
from zoho_tokenstore.token import TokenRecord

__all__ = ["Changes", "new_id"]

Name: TypeAlias = tuple[str, str]
"""A field that rows are looked up by, and its value."""


def new_id() -> str:
    """Return an id that has never been one: 128 random bits in hexadecimal."""
    return token_hex(16)


class Changes:
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
        # Tuples, because nearly every name is one row's: sets would cost more than all the rest.
        self._named: dict[Name, tuple[str, ...]] = {}
        for key, row in self.stored.items():
            self._put(key, row)

    def save(self, token: TokenRecord) -> None:
        """Save one token.

        Raises:
            AmbiguousTokenError: More than one row fits.
            IdConflictError: The token's id belongs to another row.
        """
        names = _names(token)
        related = self._related(names)
        if not related:  # as nearly all tokens of a large batch are
            self._insert(token.with_id(token.id or new_id()), names)
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
        return self._related(_names(token))

    def has(self, key: str | None) -> bool:
        """Tell whether an id is taken."""
        return key in self._rows

    def moving(self) -> list[str]:
        """Return the ids of stored rows whose identity changes."""
        return [
            key for key, row in self.updated.items() if identity(row) != identity(self.stored[key])
        ]

    def _related(self, names: Iterable[Name]) -> list[TokenRecord]:
        keys = {key for name in names for key in self._named.get(name, ())}
        return [self._rows[key] for key in keys]

    def _insert(self, row: TokenRecord, names: list[Name]) -> None:
        key = row.id or ""
        self.inserted[key] = self._rows[key] = row
        for name in (("id", key), *names):
            self._named[name] = (key,)
        self.ids.append(key)

    def _put(self, key: str, row: TokenRecord) -> None:
        self._take(key)
        self._rows[key] = row
        for name in _names(row):
            self._named[name] = (*self._named.get(name, ()), key)

    def _take(self, key: str) -> None:
        if (row := self._rows.pop(key, None)) is not None:
            for name in _names(row):
                self._named[name] = tuple(other for other in self._named[name] if other != key)

    def _absorb(self, key: str, *, into: str) -> None:
        self._take(key)
        self.ids = [into if saved == key else saved for saved in self.ids]
        self.inserted.pop(key, None)
        self.updated.pop(key, None)
        if key in self.stored:
            self.deleted.add(key)


def _names(row: TokenRecord) -> list[Name]:
    values = zip(DIGEST_COLUMNS, looked_up(row), strict=True)
    return [name for name in values if name[1] is not None]
