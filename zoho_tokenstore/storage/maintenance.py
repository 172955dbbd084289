"""All stored tokens: iterated, deleted with their leases, and those that need a login."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, delete, select, true
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.errors import DamagedRowError, DecryptionError, NotEncryptedError
from zoho_tokenstore.refresh.inflight import is_credential_of
from zoho_tokenstore.refresh.lease import PERMANENT
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.batches import PAGE_SIZE
from zoho_tokenstore.storage.leases import LeaseTable
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = [
    "Deletion",
    "delete_undecryptable",
    "iter_records",
    "needs_login",
    "refused_logins",
    "undecryptable_tokens",
]

KEPT: Final = (NotEncryptedError, DamagedRowError)
"""Why a token is not served whose refresh token can still be read."""


class Deletion:
    """Deletes tokens of one table, together with their leases, and audits it.

    Nothing has to be decrypted for it.

    Args:
        table: The token table.
        leases: The statements of their leases.
        audit: Audit log for deletions.
    """

    def __init__(self, table: Table, leases: LeaseTable, audit: AuditLog) -> None:
        """Open nothing yet."""
        self._table = table
        self._leases = leases
        self._audit = audit

    def delete_ids(self, session: Session, keys: Sequence[str], event: Event = "deleted") -> int:
        """Delete the tokens with these ids; an unknown one changes nothing.

        Args:
            session: Where to write; the caller commits.
            keys: The ids, a page of them at most.
            event: Why, for the audit.

        Returns:
            The number of deleted tokens.
        """
        if not keys:
            return 0
        digests = [digest("id", key) for key in keys]
        condition = self._table.c.id_digest.in_(digests)
        self._audit.append_for_rows(session, event, condition)
        deleted = session.connection().execute(delete(self._table).where(condition)).rowcount
        self._leases.delete_leases(session, *digests)
        return deleted

    def delete_everything(self, session: Session) -> None:
        """Delete every token."""
        self._audit.append_for_rows(session, "deleted", true())
        session.execute(delete(self._table))
        self._leases.delete_all_leases(session)

    def delete_where(
        self,
        database: Database,
        condition: ColumnElement[bool],
        event: Event = "policy-expired",
        on_rows: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Delete all tokens whose rows fit a condition, a page in each transaction.

        Args:
            database: The database.
            condition: Which of them.
            event: Why, for the audit.
            on_rows: Called with the number of rows of each page.

        Returns:
            The number of deleted tokens.

        Raises:
            DatabaseError: The database failed; earlier pages stay deleted.
        """
        page = select(self._table.c.id).where(condition).limit(PAGE_SIZE)

        def delete_page(session: Session) -> int:
            keys = session.scalars(page).all()
            self.delete_ids(session, keys, event)
            return len(keys)

        deleted = 0
        while number := database.write(delete_page):
            deleted += number
            on_rows(number)
        return deleted


def iter_records(
    database: Database, tokens: TokenTable, on_error: Callable[[DecryptionError], None]
) -> Iterator[TokenRecord]:
    """Yield all tokens in the order of their keys, a page in memory at a time.

    Args:
        database: The database; no transaction is open between pages.
        tokens: The statements.
        on_error: Called for each token that cannot be decrypted.

    Raises:
        DatabaseError: The database failed.
    """
    after: str | None = None
    while page := database.read(tokens.read_page, after):
        yield from _decoded(tokens, page, on_error)
        after = page[-1].id_digest


def _decoded(
    tokens: TokenTable, rows: Sequence[Row[Any]], on_error: Callable[[DecryptionError], None]
) -> Iterator[TokenRecord]:
    for row in rows:
        try:
            record = tokens.codec.decode_row(row[:-1])
        except DecryptionError as error:
            on_error(error)
        else:
            yield record


def undecryptable_tokens(database: Database, tokens: TokenTable) -> list[DecryptionError]:
    """Return why each token that no key of the keyring opens cannot be decrypted.

    A token that is stored readable is not among them, damaged or not.

    Raises:
        DatabaseError: The database failed.
    """
    errors: list[DecryptionError] = []
    for _ in iter_records(database, tokens, errors.append):
        pass
    return [error for error in errors if not isinstance(error, KEPT)]


def delete_undecryptable(
    database: Database, tokens: TokenTable, deletion: Deletion, ids: Sequence[str]
) -> int:
    """Delete those of these tokens that still cannot be decrypted; return how many.

    Raises:
        DatabaseError: The database failed; earlier pages stay deleted.
    """

    def delete_page(session: Session, keys: Sequence[str]) -> int:
        errors: list[DecryptionError] = []
        list(_decoded(tokens, tokens.read_rows(session, keys), errors.append))
        # Not what has been saved anew since, nor what is readable.
        lost = [error for error in errors if not isinstance(error, KEPT)]
        chosen = [key for error in lost for key in error.token_ids]
        deletion.delete_ids(session, chosen)
        return len(chosen)

    pages = (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))
    return sum(database.write(delete_page, page) for page in pages)


def refused_logins(database: Database, tokens: Table, codec: RowCodec) -> dict[str, str]:
    """Return the ids of tokens whose login Zoho has refused for good, with Zoho's error code.

    A user who has logged in again since is not among them. Nor is a token that cannot be decrypted.

    Raises:
        DatabaseError: The database failed.
    """
    leases = companion_table(tokens, "lease")
    failed = (
        select(leases.c.failure, leases.c.credential, *(tokens.c[name] for name in codec.columns))
        .join_from(leases, tokens, leases.c.key_digest == tokens.c.id_digest)
        .where(leases.c.failure.in_(sorted(PERMANENT)))
    )
    refused: dict[str, str] = {}
    for failure, credential, *row in database.read(lambda session: session.execute(failed).all()):
        try:
            record = codec.decode_row(row)
        except DecryptionError:
            continue
        if record.id is not None and is_credential_of(credential, record, codec.digest):
            refused[record.id] = failure
    return refused


def needs_login(token: TokenRecord, refused: Mapping[str, str]) -> bool:
    """Return whether this user must log in again: now, or when the access token expires.

    Args:
        token: A stored token.
        refused: The result of :func:`refused_logins`.
    """
    if (token.id or "") in refused:
        return True
    return token.refresh_token is None and token.access_token is not None
