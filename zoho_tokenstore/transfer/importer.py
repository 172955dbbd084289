"""Import of tokens from other stores, without replacing newer tokens."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import Final, Literal, Protocol, get_args

from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import AmbiguousTokenError, ImportConflictError, InvalidTokenError
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.batch_plan import BatchPlan
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE
from zoho_tokenstore.transfer.layouts import SourceRow

__all__ = ["ImportReport", "Importer", "OnConflict", "Source"]

OnConflict = Literal["newer", "skip", "replace", "fail"]
"""Token to use when a token of the source already exists and differs: the one whose access token
expires later, the stored one, the source's, or neither."""

Outcome = Literal["created", "updated", "unchanged", "skipped", "left_out"]

NEVER: Final = -1
"""Earlier than any expiry."""


class Source(Protocol):
    """A sequence of rows that can be read more than once."""

    total: int
    """Approximate sum of the sizes of all rows."""

    unread: list[str]
    """Names of columns that are not read."""

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield the rows."""


@dataclass(slots=True)
class ImportReport:
    """Number of rows of a source by outcome.

    Attributes:
        created: Rows stored as new tokens.
        updated: Rows that changed an existing token.
        unchanged: Rows that equal an existing token.
        skipped: Rows whose token exists and was not changed.
        left_out: Rows that are not usable.
        notices: Number of usable rows by the conversion of their expiry.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    left_out: int = 0
    notices: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[Outcome, int]:
        """The number of rows by outcome."""
        return {outcome: getattr(self, outcome) for outcome in get_args(Outcome)}

    def count_row(self, outcome: Outcome) -> None:
        """Add a row."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def add_counts(self, other: "ImportReport") -> None:
        """Add the rows of another report."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports tokens into one token table.

    Attributes:
        database: Database of the table.
        tokens: Statements on the table.
        on_conflict: Token to use when it already exists.
        dry_run: Whether all transactions are rolled back.
        on_left_out: Called with the place of each row that is left out, and the reason.
        on_progress: Called with the size of the rows of each batch.
    """

    database: Database
    tokens: TokenTable
    _: KW_ONLY
    on_conflict: OnConflict = "newer"
    dry_run: bool = False
    on_left_out: Callable[[str, str], None] = lambda _place, _reason: None
    on_progress: Callable[[int], None] = lambda _size: None

    def import_source(self, source: Source) -> ImportReport:
        """Import all rows of a source; a repeated import creates no duplicates.

        Each batch is a transaction. With ``on_conflict="fail"`` the whole import is one.

        Raises:
            ImportConflictError: A token already exists and ``on_conflict`` is ``"fail"``; nothing
                is imported.
            DatabaseError: The database failed; previous batches stay imported.
        """
        if self.on_conflict == "fail":
            return self.database.write(
                lambda session: self._summarize(
                    self._import_batch(session, rows) for rows in _batches(source)
                ),
                dry_run=self.dry_run,
            )
        return self._summarize(
            self.database.write(self._import_batch, rows, dry_run=self.dry_run)
            for rows in _batches(source)
        )

    def _summarize(self, batches: Iterable["_BatchResult"]) -> ImportReport:
        report = ImportReport()
        for batch in batches:
            for place, reason in batch.left_out:
                self.on_left_out(place, reason)
            report.add_counts(batch.report)
            self.on_progress(batch.size)
        return report

    def _import_batch(self, session: Session, rows: Sequence[SourceRow]) -> "_BatchResult":
        """Import a batch; start with a new result each time the transaction is retried."""
        result = _BatchResult(size=sum(row.size for row in rows))
        for row in rows:
            if row.token is None:
                result.leave_out(row.place, row.problem)
            elif row.notice:
                result.report.notices[row.notice] += 1
        # Long names first: of two names with the same ending, the shorter may be truncated.
        usable = sorted(
            ((row.token, row.place) for row in rows if row.token is not None),
            key=lambda pair: -len(pair[0].user_name or ""),
        )
        places = iter(usable)

        def import_next(plan: BatchPlan, token: TokenRecord) -> None:
            _, place = next(places)
            try:
                result.report.count_row(self._import_token(plan, token, place))
            except (AmbiguousTokenError, InvalidTokenError, _DamagedRowError) as error:
                result.leave_out(place, str(error))

        self.tokens.save_rows(session, [token for token, _ in usable], "imported", import_next)
        return result

    def _import_token(self, plan: BatchPlan, token: TokenRecord, place: str) -> Outcome:
        """Add a token to a plan, unless a stored token takes precedence."""
        # Without its id, which may belong to another token here: the SDKs count from 1.
        anonymous = token.with_id(None)
        puts_back = self.on_conflict == "replace"
        related = plan.related_rows(anonymous)
        _check_truncation(anonymous, related)
        planned = plan.plan_token(anonymous, related, puts_back=puts_back)
        stored = planned.target
        if stored is None:
            self.tokens.check_length(token)
            new = anonymous if plan.has_id(token.id) else token
            plan.add_token(new, puts_back=puts_back)
            return "created"
        if _adds_nothing(anonymous, stored):
            return "unchanged"
        if self.on_conflict == "fail":
            raise ImportConflictError(
                f"{place}: a token of user {token.user_name!r} already exists with id "
                f"{stored.id!r}: pass --on-conflict newer, skip or replace"
            )
        if self.on_conflict == "skip" or planned.is_outdated:
            return "skipped"
        if self.on_conflict == "newer" and _expiry(token) <= _expiry(stored):
            anonymous = _filled(stored, anonymous)
            if _adds_nothing(anonymous, stored):
                return "skipped"
            planned = plan.plan_token(anonymous, related, puts_back=puts_back)
        self.tokens.check_length(planned.row)
        plan.add_token(anonymous.with_id(stored.id), puts_back=puts_back)
        return "updated"


@dataclass(slots=True)
class _BatchResult:
    size: int
    report: ImportReport = field(default_factory=ImportReport)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def leave_out(self, place: str, reason: str) -> None:
        self.report.count_row("left_out")
        self.left_out.append((place, reason))


class _DamagedRowError(Exception):
    """A row seems complete and is not."""


def _batches(source: Source) -> Iterator[list[SourceRow]]:
    rows = iter(source)
    while batch := list(islice(rows, BATCH_SIZE)):
        yield batch


def _check_truncation(token: TokenRecord, stored: Iterable[TokenRecord]) -> None:
    """Reject a token whose user name lost its beginning, as in a line that was overwritten.

    Raises:
        _DamagedRowError: A user whose name ends with this name has the same refresh token.
    """
    name = token.user_name or ""
    for row in stored:
        other = row.user_name or ""
        same = row.refresh_token is not None and row.refresh_token == token.refresh_token
        if same and name and other != name and other.endswith(name):
            raise _DamagedRowError(
                f"user name {name!r} looks truncated: {other!r} has the same refresh token"
            )


def _expiry(token: TokenRecord) -> int:
    return NEVER if token.expiry is None else token.expiry


def _adds_nothing(token: TokenRecord, stored: TokenRecord) -> bool:
    """Return whether the stored token has all values of a token."""
    return all(new is None or new == old for new, old in zip(token, stored, strict=True))


def _filled(stored: TokenRecord, token: TokenRecord) -> TokenRecord:
    """Return the stored token with its gaps filled; access token and expiry stay together."""
    expiry = stored.expiry if stored.access_token is not None else token.expiry
    return TokenRecord._make(
        new if old is None else old for old, new in zip(stored, token, strict=True)
    )._replace(expiry=expiry, id=None)
