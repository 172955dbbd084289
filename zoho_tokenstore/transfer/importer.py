"""Imports tokens from a source: what is stored already, and newer, is not undone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, Literal, Protocol

from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import AmbiguousTokenError, ImportConflictError
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE, BatchPlan, plan_save
from zoho_tokenstore.transfer.layouts import SourceRow

__all__ = ["ImportReport", "Importer", "OnConflict", "Source"]

OnConflict = Literal["newer", "skip", "replace", "fail"]
"""Which one wins when a token of the source is stored already, and is not the same: the one whose
access token expires later, the stored one, the source's, or neither."""

NEVER: Final = -1
"""Earlier than any expiry."""


class Source(Protocol):
    """Where tokens come from; it can be read more than once."""

    total: int
    """What the sizes of its rows add up to, about."""

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield its rows."""


@dataclass(slots=True)
class ImportReport:
    """How an import went, in rows of the source.

    Attributes:
        created: Stored as new tokens.
        updated: Written to tokens that were stored already.
        unchanged: Stored already, and the same.
        skipped: Stored already, and not to be changed.
        left_out: Not usable.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    left_out: int = 0

    def add(self, other: "ImportReport") -> None:
        """Count another's rows as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Importer:
    """Imports tokens into one token table.

    Args:
        database: Where the table is.
        tokens: Its SQL.
        on_conflict: Which one wins.
        dry_run: Whether everything is taken back.
        on_left_out: Told of each row that is left out: its place, and why.
        on_progress: Told how far it has come, by the sizes of the rows.
    """

    def __init__(  # noqa: PLR0913 - what can be set, by name
        self,
        database: Database,
        tokens: TokenTable,
        *,
        on_conflict: OnConflict = "newer",
        dry_run: bool = False,
        on_left_out: Callable[[str, str], None] = lambda _where, _why: None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Keep what it works with."""
        self._tokens = tokens
        self._on_conflict = on_conflict
        self._transaction = partial(database.write, dry_run=dry_run)
        self._on_left_out = on_left_out
        self._on_progress = on_progress

    def run(self, source: Source) -> ImportReport:
        """Import all rows; doing it again doubles nothing.

        Each batch is a transaction, or all of them are one if nothing shall be imported when
        anything is stored already.

        Raises:
            ImportConflictError: A token is stored already, and that shall be an error; nothing was
                imported.
            DatabaseError: The database failed; what was imported before stays.
        """
        if self._on_conflict == "fail":
            return self._transaction(
                lambda session: self._add_up(self._import(session, b) for b in _batches(source))
            )
        return self._add_up(
            self._transaction(lambda session: self._import(session, batch))  # noqa: B023 - called at once
            for batch in _batches(source)
        )

    def _add_up(self, batches: Iterable["_Batch"]) -> ImportReport:
        report = ImportReport()
        for batch in batches:
            for where, why in batch.left_out:
                self._on_left_out(where, why)
            report.add(batch.report)
            self._on_progress(batch.size)
        return report

    def _import(self, session: Session, rows: Sequence[SourceRow]) -> "_Batch":
        """Import a batch, from the beginning when the transaction has to be tried again."""
        done = _Batch(size=sum(row.size for row in rows))
        done.left_out += [(row.where, row.problem) for row in rows if row.token is None]
        done.report.left_out = len(done.left_out)
        # Long names first: of those that end alike, the shorter may be cut.
        usable = sorted(
            ((row.token, row.where) for row in rows if row.token is not None),
            key=lambda one: -len(one[0].user_name or ""),
        )
        places = iter(usable)

        def put(changes: BatchPlan, token: TokenRecord) -> None:
            _, where = next(places)
            try:
                outcome = self._put(changes, token, where)
            except (AmbiguousTokenError, _DamagedRowError) as error:
                outcome = "left_out"
                done.left_out.append((where, str(error)))
            setattr(done.report, outcome, getattr(done.report, outcome) + 1)

        self._tokens.save_rows(session, [token for token, _ in usable], "imported", put)
        return done

    def _put(self, changes: BatchPlan, token: TokenRecord, where: str) -> str:
        """Save a token of the source, if it shall be; return what became of it."""
        # By its id it would be taken for whoever has that id here: the SDKs count from 1.
        nameless = token.with_id(None)
        related = changes.related_rows(nameless)
        _refuse_cut_name(related, nameless)
        stored = plan_save(nameless, related, "").target
        if stored is None:
            changes.add_token(nameless if changes.has_id(token.id) else token)
            return "created"
        if nameless == _common(stored, nameless):
            return "unchanged"
        if self._on_conflict == "fail":
            raise ImportConflictError(
                f"{where}: a token of user {token.user_name!r} is stored already, under the id "
                f"{stored.id!r}: choose --on-conflict newer, skip or replace"
            )
        if self._on_conflict == "skip":
            return "skipped"
        if self._on_conflict == "newer" and _expiry(token) <= _expiry(stored):
            nameless = _missing(stored, nameless)
            if nameless == _common(stored, nameless):
                return "skipped"
        changes.add_token(nameless.with_id(stored.id))
        return "updated"


@dataclass(slots=True)
class _Batch:
    """What became of a batch."""

    size: int
    report: ImportReport = field(default_factory=ImportReport)
    left_out: list[tuple[str, str]] = field(default_factory=list)


class _DamagedRowError(Exception):
    """A row looks whole and is not."""


def _batches(source: Source) -> Iterator[list[SourceRow]]:
    rows = iter(source)
    while batch := list(islice(rows, BATCH_SIZE)):
        yield batch


def _refuse_cut_name(rows: Sequence[TokenRecord], token: TokenRecord) -> None:
    """Refuse the rest of a line whose beginning was overwritten.

    Raises:
        _DamagedRowError: The same login is there, of a user whose name this one's ends.
    """
    name = token.user_name or ""
    for row in rows:
        other = row.user_name or ""
        same = row.refresh_token is not None and row.refresh_token == token.refresh_token
        if same and name and other != name and other.endswith(name):
            raise _DamagedRowError(
                f"the user name {name!r} looks cut: the same refresh token is {other!r}'s"
            )


def _expiry(token: TokenRecord) -> int:
    return NEVER if token.expiry is None else token.expiry


def _common(stored: TokenRecord, token: TokenRecord) -> TokenRecord:
    """Return the token with the stored values of the fields that it has."""
    return TokenRecord._make(
        None if new is None else old for old, new in zip(stored, token, strict=True)
    )


def _missing(stored: TokenRecord, token: TokenRecord) -> TokenRecord:
    """Return the stored token with what it lacks and the other has; expiry and token go together.

    Nothing that is stored is replaced.
    """
    expiry = stored.expiry if stored.access_token is not None else token.expiry
    return TokenRecord._make(
        new if old is None else old for old, new in zip(stored, token, strict=True)
    )._replace(expiry=expiry, id=None)
