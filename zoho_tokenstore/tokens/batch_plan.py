"""What saving many tokens does to the stored rows, worked out before anything is written."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, looked_up
from zoho_tokenstore.tokens.matching import identity
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import SavePlan, new_id, plan_save
from zoho_tokenstore.tokens.succession import (
    SupersededDigest,
    has_new_login,
    is_outdated,
    predecessor,
)

__all__ = ["BatchPlan"]

IdsByValue: TypeAlias = dict[str | None, tuple[str, ...]]
"""The ids of the rows that have a value in one field; ``None`` is never a key."""


class BatchPlan:
    """The rows as they will stand after a batch, and the difference to what is stored.

    Each token is added to the rows as the tokens before it have left them, so a batch ends as the
    same tokens would one by one.

    Args:
        stored: Every stored row that shares an id, a user name or a token with the batch.
        superseded: What rows keep of a refresh token that they have superseded, by their ids.
        digest: Makes that.

    Attributes:
        ids: The id of each added token's row, in order.
        stored: Those rows by id, as they were.
        inserted: New rows by id.
        updated: Stored rows that change, by id, as they will be.
        deleted: Ids of stored rows that became part of another.
        outdated: Rows that have superseded the login of an added token.
        superseded: The same of stored rows where it changes; ``None`` to forget.
    """

    def __init__(
        self,
        stored: Iterable[TokenRecord],
        superseded: Mapping[str, str | None],
        digest: SupersededDigest,
    ) -> None:
        """Index the stored rows by everything that a token can name them by."""
        self.stored = {row.id: row for row in stored if row.id is not None}
        self.ids: list[str] = []
        self.inserted: dict[str, TokenRecord] = {}
        self.updated: dict[str, TokenRecord] = {}
        self.deleted: set[str] = set()
        self.outdated: list[TokenRecord] = []
        self.superseded: dict[str, str | None] = {}
        self._known = superseded
        self._digest = digest
        self._rows: dict[str, TokenRecord] = {}
        # Tuples, because nearly every value is one row's: sets would cost more than all the rest.
        self._index: list[IdsByValue] = [{} for _ in DIGEST_COLUMNS]
        for key, row in self.stored.items():
            self._index_row(key, row)

    def add_token(self, token: TokenRecord, *, puts_back: bool = False) -> None:
        """Plan to save one more token.

        Args:
            token: The token.
            puts_back: Whether a login that was superseded may take the place of the later one.

        Raises:
            AmbiguousTokenError: More than one row fits.
            IdConflictError: The token's id belongs to another row.
        """
        related = self.related_rows(token)
        if not related:  # as nearly all tokens of a large batch are
            self._insert_row(token.with_id(token.id or new_id()))
            return
        plan = self.plan_token(token, related, puts_back=puts_back)
        key = plan.row.id or ""
        self.ids.append(key)
        if plan.is_outdated:
            self.outdated.append(plan.row)
            return
        for other in plan.absorbed:
            self._absorb_row(other.id or "", into=key)
        # A row that is new may have the id of one that was absorbed just before.
        if plan.target is None or key in self.inserted:
            self.inserted[key] = plan.row
        else:
            self.updated[key] = plan.row
        if plan.target is not None and has_new_login(plan.target, plan.row):
            before = predecessor(plan.target, plan.row)
            self.superseded[key] = before and self._digest(plan.row, before.refresh_token or "")
        self._index_row(key, plan.row)

    def related_rows(self, token: TokenRecord) -> list[TokenRecord]:
        """Return the rows that share an id, a user name or a token with this one."""
        indexed = zip(self._index, looked_up(token), strict=True)
        keys = {key for index, value in indexed for key in index.get(value, ())}
        return [self._rows[key] for key in keys]

    def plan_token(
        self, token: TokenRecord, related: Iterable[TokenRecord], *, puts_back: bool
    ) -> SavePlan:
        """Return what :meth:`add_token` would do, given the related rows."""
        if puts_back:
            return plan_save(token, related, new_id())
        return plan_save(token, related, new_id(), self._is_outdated)

    def has_id(self, key: str | None) -> bool:
        """Return whether an id is taken."""
        return key in self._rows

    def ids_with_new_identity(self) -> list[str]:
        """Return the ids of stored rows whose identity changes."""
        return [
            key for key, row in self.updated.items() if identity(row) != identity(self.stored[key])
        ]

    def _is_outdated(self, token: TokenRecord, row: TokenRecord) -> bool:
        key = row.id or ""
        superseded = self.superseded.get(key, self._known.get(key))
        return is_outdated(token, row, superseded, self._digest)

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
