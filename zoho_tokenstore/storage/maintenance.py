"""Removes stored tokens together with their leases, and notes why."""

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.storage.audit import Event
from zoho_tokenstore.storage.leases import LeaseTable
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.digests import digest

__all__ = ["Removal"]


class Removal:
    """Removes tokens of one table.

    Args:
        tokens: The SQL of the tokens.
        leases: The SQL of their leases.
    """

    def __init__(self, tokens: TokenTable, leases: LeaseTable) -> None:
        """Keep both."""
        self._tokens = tokens
        self._leases = leases

    def remove(self, session: Session, keys: Sequence[str], event: Event = "deleted") -> None:
        """Remove the tokens with these ids; an unknown one changes nothing.

        Args:
            session: Where to write; the caller commits.
            keys: The ids, a page of them at most.
            event: Why, for the audit.
        """
        if keys:
            self._tokens.remove(session, keys, event)
            self._leases.delete(session, *(digest("id", key) for key in keys))

    def remove_all(self, session: Session) -> None:
        """Remove every token."""
        self._tokens.remove_all(session)
        self._leases.delete_all(session)

    def purge(
        self,
        database: Database,
        condition: ColumnElement[bool],
        event: Event = "policy-expired",
        on_rows: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Remove all tokens whose rows a condition holds for, a page in each transaction.

        Args:
            database: Where they are.
            condition: Which of them.
            event: Why, for the audit.
            on_rows: Told of every so many.

        Returns:
            How many there were.

        Raises:
            DatabaseError: The database failed; what was removed before stays so.
        """

        def remove_page(session: Session) -> int:
            keys = self._tokens.ids(session, condition)
            self.remove(session, keys, event)
            return len(keys)

        removed = 0
        while number := database.write(remove_page):
            removed += number
            on_rows(number)
        return removed
