"""``ListTokenStore``: the contract in a plain Python list, to compare the real store with."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.sdk import SDKTokenStore
from zoho_tokenstore.tokens.matching import find_one, rule_of
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import plan_save

__all__ = ["ListTokenStore"]


class ListTokenStore(SDKTokenStore):
    """Keep tokens in a list of this process: no database, no digests, no index.

    It follows the same rules as ``SQLAlchemyTokenStore`` and raises the same errors, so it stands
    in for it in an application's tests. Every call walks the whole list.

    Args:
        options: ``missing_id`` and ``sdk``, as in ``SQLAlchemyTokenStore``.
    """

    def __init__(self, **options: Any) -> None:
        """Start with an empty list."""
        super().__init__(**options)
        self._rows: list[TokenRecord] = []
        self._lock = threading.Lock()

    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        rule = rule_of(token)
        with self._lock:
            return None if rule is None else find_one(rule, token, self._rows)

    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        with self._lock:
            before = list(self._rows)
            ids: list[str] = []
            try:
                for token in tokens:
                    plan = plan_save(token, self._rows, uuid4().hex)
                    gone = (plan.target, *plan.absorbed)
                    self._rows = [row for row in self._rows if row not in gone] + [plan.row]
                    absorbed = [row.id for row in plan.absorbed]
                    key = plan.row.id or ""
                    ids = [key if saved in absorbed else saved for saved in ids] + [key]
            except Exception:
                self._rows = before
                raise
        return ids

    def _delete_record(self, key: str) -> None:
        with self._lock:
            self._rows = [row for row in self._rows if row.id != key]

    def _delete_all_records(self) -> None:
        with self._lock:
            self._rows = []

    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:  # noqa: ARG002 - nothing is encrypted
        with self._lock:
            rows = list(self._rows)
        yield from rows
