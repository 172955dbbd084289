"""Read-only questions that operators ask about stored tokens."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    Table,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import epoch_milliseconds
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import DatabaseError, ReadOnlyDatabaseError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.retention import expired_before, idle_since
from zoho_tokenstore.tokens.digests import digest

__all__ = [
    "RowCondition",
    "TokenQueries",
    "check_write_access",
    "damaged_audit_entries",
    "database_time",
    "iter_audit_entries",
    "ping",
]

RowCondition: TypeAlias = ColumnElement[bool]
"""Condition that selects rows of the token table."""

DAMAGED: Final = "(damaged)"
"""Shown instead of a value of another type than its column."""

TIMES: Final = ("created_at", "login_at", "updated_at", "used_at")


class TokenQueries:
    """Questions about the rows of one token table.

    Args:
        database: Database of the table.
        table: Token table.
    """

    def __init__(self, database: Database, table: Table) -> None:
        """Store both."""
        self._database = database
        self._table = table

    def rows_of_user(self, user_name: str) -> RowCondition:
        """Return the condition for the rows of a user."""
        return self._table.c.user_digest == digest("user_name", user_name)

    def names_of_mail(self, mail: str) -> list[str]:
        """Return the names of users with this mail address, ``mail:organization`` since 6-0."""
        name = self._table.c.user_name
        query = select(name).where(name.startswith(f"{mail}:", autoescape=True))
        names = set(self._database.read(lambda session: session.scalars(query).all()))
        # Databases compare text in their own ways.
        return sorted(each for each in names if each.startswith(f"{mail}:"))

    def rows_with_ids(self, ids: Sequence[str]) -> RowCondition:
        """Return the condition for the rows with these ids."""
        return self._table.c.id_digest.in_([digest("id", token_id) for token_id in ids])

    def unused_rows(
        self, *, expired: datetime | None = None, idle: datetime | None = None
    ) -> RowCondition:
        """Return the condition for rows to which any of these limits applies.

        Args:
            expired: Select rows whose access token expired before this time.
            idle: Select rows that were neither saved nor found since this time.
        """
        conditions = [
            *([expired_before(self._table, expired)] if expired else []),
            *([idle_since(self._table, idle)] if idle else []),
        ]
        return or_(false(), *conditions)

    @staticmethod
    def all_rows() -> RowCondition:
        """Return the condition for all rows."""
        return true()

    def count_rows(self, condition: RowCondition | None = None) -> int:
        """Return the number of rows that match a condition, or of all rows."""
        query = select(func.count()).select_from(self._table)
        if condition is not None:
            query = query.where(condition)
        return self._database.read(lambda session: session.scalar(query) or 0)

    def row_ids(self, condition: RowCondition) -> Sequence[str]:
        """Return the ids of the rows that match a condition."""
        query = select(self._table.c.id).where(condition)
        return self._database.read(lambda session: session.scalars(query).all())

    def missing_ids(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are not stored."""
        # By digest: databases compare text in their own ways.
        query = select(self._table.c.id_digest).where(self.rows_with_ids(ids))
        stored = set(self._database.read(lambda session: session.scalars(query).all()))
        return [token_id for token_id in ids if digest("id", token_id) not in stored]

    def row_times(self, token_id: str) -> dict[str, datetime]:
        """Return the times of a row by column, without those that are not set."""
        columns = (self._table.c[name] for name in TIMES)
        query = select(*columns).where(self.rows_with_ids([token_id]))
        row = self._database.read(lambda session: session.execute(query).first())
        return {name: at for name, at in zip(TIMES, row or (), strict=False) if at is not None}

    def users_with_many_logins(self, limit: int) -> list[tuple[str, int]]:
        """Return the users with more refresh tokens than a limit and their number, most first."""
        c = self._table.c
        logins = func.count(c.refresh_digest)
        query = (
            select(func.min(c.user_name), logins)
            .where(c.user_digest.is_not(None))
            .group_by(c.user_digest)
            .having(logins > limit)
            .order_by(logins.desc())
        )
        rows = self._database.read(lambda session: session.execute(query).all())
        return [(name, number) for name, number in rows]


def iter_audit_entries(
    database: Database, audit: AuditLog, since: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the entries of an audit log since a time in chronological order, page by page.

    A value of another type than its column, as SQLite permits, is replaced by :data:`DAMAGED`; the
    time is then that of the entry's id.
    """
    for row in _audit_rows(database, audit, since):
        entry = row._asdict()
        for name in _damaged_values(row):
            entry[name] = DAMAGED
        entry["at"] = _time_of(row.at) or _time_of_id(row.entry_id)
        yield entry


def damaged_audit_entries(database: Database, audit: AuditLog) -> list[str]:
    """Return the ids of the audit entries with a value of another type than its column."""
    rows = _audit_rows(database, audit, datetime.fromtimestamp(0, UTC))
    return [str(row.entry_id) for row in rows if _damaged_values(row)]


def _audit_rows(database: Database, audit: AuditLog, since: datetime) -> Iterator[Row[Any]]:
    after = audit.first_id(since)
    while page := database.read(audit.read_entries, after):
        yield from page
        after = page[-1].entry_id


def _damaged_values(row: Row[Any]) -> list[str]:
    """Return the columns of an audit entry whose values have another type than they should."""
    return [
        name
        for name, value in row._asdict().items()
        if value is not None
        and (
            _time_of(value) is None
            if name == "at"
            else not isinstance(value, int if name == "process" else str)
        )
    ]


def _time_of(value: object) -> datetime | None:
    """Return the time in UTC that a driver returned as a datetime or, on SQLite, as text."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(at, datetime):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _time_of_id(entry_id: object) -> datetime:
    """Return the time in an entry's id, the epoch without one."""
    try:
        return datetime.fromtimestamp(int(str(entry_id)[:12], 16) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def ping(database: Database) -> None:
    """Send the shortest query.

    Raises:
        DatabaseUnavailableError: The database cannot be reached.
    """
    database.read(lambda session: session.scalar(select(1)))


def database_time(database: Database) -> int:
    """Return the time of the database's clock in epoch milliseconds."""
    return database.read(lambda session: session.scalar(select(epoch_milliseconds())) or 0)


def check_write_access(database: Database, schema: TokenSchema) -> None:
    """Check that all tables can be written, with statements that match no row.

    The application only needs to append to the audit table.

    Raises:
        ReadOnlyDatabaseError: The database is read-only or refuses a statement.
        MissingPrivilegeError: The user may not write a table.
        DatabaseUnavailableError: The database cannot be reached.
    """
    audit = companion_table(schema.table, "audit")
    for table in schema.tables:
        statements = _empty_writes(table)
        if table is audit:
            statements = statements[:1]
        try:
            database.write(_execute_all, statements)
        except DatabaseError as error:
            if type(error) is not DatabaseError:  # it says what is wrong
                raise
            raise ReadOnlyDatabaseError(
                f"table {table.name!r} is not writable ({error}): grant this user SELECT, INSERT, "
                f"UPDATE and DELETE on {', '.join(each.name for each in schema.tables)} "
                f"({audit.name} only needs SELECT and INSERT)"
            ) from error


def _empty_writes(table: Table) -> tuple[Executable, ...]:
    """Return an insert, an update and a delete that change no row."""
    (key,) = table.primary_key
    return (
        insert(table).from_select(list(table.columns.keys()), select(table).where(false())),
        update(table).where(false()).values({key.name: key}),
        delete(table).where(false()),
    )


def _execute_all(session: Session, statements: Sequence[Executable]) -> None:
    for statement in statements:
        session.execute(statement)
