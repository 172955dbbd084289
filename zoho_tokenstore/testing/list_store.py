"""``ListTokenStore``: the contract of the token store in a Python list."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal
from uuid import uuid4

from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.forks import ForkSafeLock
from zoho_tokenstore.sdk import SDKName, SDKTokenStore
from zoho_tokenstore.tokens.matching import find_one, rule_of
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import SavePlan, plan_save
from zoho_tokenstore.tokens.succession import has_new_login, is_outdated, predecessor

__all__ = ["ListTokenStore"]


class ListTokenStore(SDKTokenStore):
    """Store tokens in a list in memory, as a test double for ``SQLAlchemyTokenStore``.

    It follows the same rules and raises the same errors. Every call searches the whole list.

    Args:
        missing_id: Result of a lookup by an unknown id: ``"none"`` returns ``None``, ``"raise"``
            raises the SDK's own error.
        sdk: Package of the SDK; required only if both are installed.
    """

    def __init__(
        self, *, missing_id: Literal["none", "raise"] = "none", sdk: SDKName | None = None
    ) -> None:
        """Start with an empty list."""
        super().__init__(missing_id=missing_id, sdk=sdk)
        self._rows: list[TokenRecord] = []
        self._superseded: dict[str | None, str | None] = {}
        self._lock = ForkSafeLock()

    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        rule = rule_of(token)
        with self._lock:
            return None if rule is None else find_one(rule, token, self._rows)

    def _is_outdated(self, token: TokenRecord, row: TokenRecord) -> bool:
        return is_outdated(token, row, self._superseded.get(row.id), lambda _, kept: kept)

    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        with self._lock:
            before = list(self._rows), dict(self._superseded)
            ids: list[str] = []
            try:
                for token in tokens:
                    plan = plan_save(token, self._rows, uuid4().hex, self._is_outdated)
                    self._apply(plan)
                    absorbed = [row.id for row in plan.absorbed]
                    key = plan.row.id or ""
                    ids = [key if saved in absorbed else saved for saved in ids] + [key]
            except Exception:
                self._rows, self._superseded = before
                raise
        return ids

    def _apply(self, plan: SavePlan) -> None:
        replaced = (plan.target, *plan.absorbed)
        self._rows = [row for row in self._rows if row not in replaced] + [plan.row]
        if plan.target is not None and has_new_login(plan.target, plan.row):
            known = predecessor(plan.target, plan.row)
            self._superseded[plan.row.id] = known and known.refresh_token

    def _delete_record(self, key: str) -> bool:
        with self._lock:
            before = self._rows
            self._rows = [row for row in before if row.id != key]
            self._superseded.pop(key, None)
            return len(self._rows) < len(before)

    def _delete_all_records(self) -> None:
        with self._lock:
            self._rows = []
            self._superseded = {}

    def _names_of_mail(self, mail: str) -> list[str]:
        with self._lock:
            names = {row.user_name for row in self._rows if row.user_name is not None}
        return sorted(name for name in names if name.startswith(f"{mail}:"))

    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        del on_error  # readable tokens cannot fail to decrypt
        with self._lock:
            rows = list(self._rows)
        yield from rows
