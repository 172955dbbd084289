"""Many tokens saved at once: read the rows concerned, plan, and write the difference."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from zoho_tokenstore.database.compiled import CompiledStatement, row_count
from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.database.sessions import call_after_commit
from zoho_tokenstore.encryption.cipher import owner_of
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.keys import TableKeys
from zoho_tokenstore.storage.limits import encoder_of
from zoho_tokenstore.storage.notices import warn_of_new_domain, warn_of_superseded
from zoho_tokenstore.storage.statements import (
    inserting_statement,
    merging_update,
    remembering_update,
)
from zoho_tokenstore.tokens.batch_plan import BatchPlan
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, Digest
from zoho_tokenstore.tokens.digests import digest as plain_digest
from zoho_tokenstore.tokens.matching import identity, login_of
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.succession import moves

__all__ = ["PAGE_SIZE", "AddToken", "Batches"]

PAGE_SIZE: Final = 250
"""Rows per statement: looked up by eight digests each; SQL Server takes 2,100 parameters."""

AddToken = Callable[[BatchPlan, TokenRecord], None]
"""Adds one token of a batch to the plan."""


class Batches:
    """The statements of one token table that save any number of tokens.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.token_table`.
        backend: The kind of database.
        keys: The keyring on this table.
        audit: Audit log for writes.
    """

    def __init__(self, table: Table, backend: Backend, keys: TableKeys, audit: AuditLog) -> None:
        """Build the statements once."""
        self._codec = codec = keys.codec
        self._encode = encoder_of(codec, backend)
        self._keys = keys
        self._audit = audit
        key = table.c.id_digest
        self._written = backend.one_of(key)
        columns = (*codec.columns, "identity_digest", "superseded_digest")
        self._related = select(*(table.c[name] for name in columns)).where(
            or_(*(backend.one_of(table.c[name]) for name in DIGEST_COLUMNS.values()))
        )
        self._insert = CompiledStatement(inserting_statement(table), row_count)
        self._update = CompiledStatement(merging_update(table, sealed=codec.encrypts), row_count)
        self._remember = remembering_update(table)
        self._delete = delete(table).where(key == bindparam("row_digest"))
        self._vacate = (
            update(table)
            .where(key == bindparam("row_digest"))
            .values(identity_digest=bindparam("vacated"))
        )

    def save_batch(
        self,
        session: Session,
        tokens: Sequence[TokenRecord],
        event: Event | None = None,
        add: AddToken = BatchPlan.add_token,
    ) -> list[str]:
        """Insert or update the rows that the tokens refer to; return their ids, in order.

        Args:
            session: Where to write; the caller commits.
            tokens: At most ``BATCH_SIZE`` tokens.
            event: The audit's name for it; by default each row's own outcome.
            add: Adds one token to the plan.

        Raises:
            AmbiguousTokenError: More than one row fits a token.
            IdConflictError: A token's id belongs to another row.
            EncryptionError: One of the rows concerned cannot be read.
        """
        if not tokens:
            return []
        self._keys.check_save(session)
        ids: list[str] = []
        for start in range(0, len(tokens), PAGE_SIZE):
            page = tokens[start : start + PAGE_SIZE]
            digest_once = cache(self._codec.digest)
            plan = self._new_plan(session, page, digest_once)
            for token in page:
                add(plan, token)
            self._write_plan(session, plan, digest_once, event)
            for notice in _notices(plan, event):
                call_after_commit(session, notice)
            ids += plan.ids
        return ids

    def _new_plan(
        self, session: Session, tokens: Sequence[TokenRecord], digest: Digest
    ) -> BatchPlan:
        """Start with the rows that share an id, a user name or a token with one of these."""
        digests: dict[str, list[str]] = {}
        for field, column in DIGEST_COLUMNS.items():
            # Rows from before there were keys have plain digests.
            makers = (digest, *self._codec.lookup_digests(field)[1:])
            # No variable holds the values: a tool that shows local variables would show them.
            digests[column] = [
                make(field, value)
                for value in {getattr(token, field) for token in tokens} - {None}
                for make in makers
            ]
        rows = session.execute(self._related, digests).all()
        superseded = {row.id: row.superseded_digest for row in rows}
        trusted: Iterable[TokenRecord] = map(self._codec.decode_row, rows)
        if self._codec.encrypts:
            trusted = self._trusted_rows(rows, tokens, digest)
        return BatchPlan(trusted, superseded, self._codec.superseded_digest)

    def _trusted_rows(
        self, rows: Sequence[Row[Any]], tokens: Sequence[TokenRecord], digest: Digest
    ) -> Iterator[TokenRecord]:
        """Yield the rows that can be read, if the others cannot be what the tokens refer to."""
        for row in rows:
            names = TokenRecord(row.id, row.user_name, row.client_id)
            record = None
            try:
                record = self._codec.decode_row(row)
            except DecryptionError:
                if not all(_is_anothers(names, token) for token in tokens):
                    raise
            make = digest if row.key_id else plain_digest
            if row.identity_digest != make("identity", *identity(record or names)):
                raise DecryptionError(
                    f"token {row.id!r} has a digest that is not its own: the row was changed by "
                    "something else than the store; delete it and log the user in again",
                    *owner_of(row),
                )
            if record is not None:
                yield record

    def _write_plan(
        self, session: Session, plan: BatchPlan, digest: Digest, event: Event | None
    ) -> None:
        now = datetime.now(UTC)
        if plan.deleted:
            absorbed = [digest("id", key) for key in plan.deleted]
            self._append_entries(session, "claimed", absorbed)
            session.execute(self._delete, [{"row_digest": row} for row in absorbed])
        moving = plan.ids_with_new_identity()
        if len(moving) > 1:
            # One may move to where another still is, so all leave first.
            session.execute(self._vacate, [_vacated(key) for key in moving])
        if plan.updated:
            self._write_updated(session, plan, digest, now, event)
        if plan.inserted:
            times = {"created_at": now, "updated_at": now}
            rows = [self._encode(row, digest) | times for row in plan.inserted.values()]
            self._insert.run_many(session.connection(), rows)
            self._append_entries(session, event or "created", [row["id_digest"] for row in rows])
        if plan.superseded:
            session.execute(
                self._remember,
                [
                    {"row_digest": plain_digest("id", key), "new_superseded_digest": value}
                    for key, value in plan.superseded.items()
                ],
            )

    def _write_updated(
        self,
        session: Session,
        plan: BatchPlan,
        digest: Digest,
        now: datetime,
        event: Event | None,
    ) -> None:
        parameters = []
        audited: dict[Event, list[str]] = {}
        for key, row in plan.updated.items():
            stored, after = plan.stored[key], self._encode(row, digest)
            times = {"new_updated_at": now, "new_login_at": _login_at(stored, row, now)}
            parameters.append(self._new_values(stored, after, digest) | times)
            claimed = stored.user_name is None and row.user_name is not None
            outcome = event or ("claimed" if claimed else "refreshed")
            audited.setdefault(outcome, []).append(after["id_digest"])
        self._update.run_many(session.connection(), parameters)
        for outcome, rows in audited.items():
            self._append_entries(session, outcome, rows)

    def _append_entries(self, session: Session, event: Event, rows: list[str]) -> None:
        self._audit.append_for_rows(session, event, self._written, id_digest=rows)

    def _new_values(
        self, stored: TokenRecord, after: dict[str, Any], digest: Digest
    ) -> dict[str, Any]:
        """Return the parameters that turn the stored row into the new one.

        Unchanged values may be ``None``; with keys, everything is encrypted again.
        """
        before = {} if self._codec.encrypts else self._codec.encode_record(stored, digest)
        changed = {
            f"new_{name}": None if name in before and before[name] == value else value
            for name, value in after.items()
        }
        return changed | {
            "row_digest": after["id_digest"],
            "new_identity_digest": after["identity_digest"],
        }


def _notices(plan: BatchPlan, event: Event | None) -> Iterator[Callable[[], None]]:
    """Yield what is to be logged; an operator has asked for what an event of its own does."""
    for row in plan.outdated:
        yield partial(warn_of_superseded, row)
    for key, row in plan.updated.items() if event is None else ():
        if moves(plan.stored[key], row):
            yield partial(warn_of_new_domain, plan.stored[key], row)


def _is_anothers(row: TokenRecord, token: TokenRecord) -> bool:
    """Return whether a row is of another user, or of another client of the same one."""
    owners = (row.user_name, row.client_id), (token.user_name, token.client_id)
    return all(map(all, owners)) and owners[0] != owners[1] and row.id != token.id


def _login_at(stored: TokenRecord, row: TokenRecord, now: datetime) -> datetime | None:
    return now if login_of(stored) != login_of(row) else None


def _vacated(key: str) -> dict[str, str]:
    return {"row_digest": plain_digest("id", key), "vacated": plain_digest("vacated", key)}
