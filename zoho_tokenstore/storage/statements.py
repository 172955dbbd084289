"""The statements that change rows, built once in a process for each table.

An application may make a store for every user, and to build them takes longer than to use them.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.storage.keys import may_save
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS
from zoho_tokenstore.tokens.record import SECRET_FIELDS

__all__ = [
    "SEAL",
    "forgetting_update",
    "inserting_statement",
    "merging_update",
    "refreshed_columns",
    "refreshing_update",
    "remembering_update",
    "sealing_insert",
    "upsert_statement",
]

TIMES_OF_USE: Final = ("login_at", "used_at")

OF_STORED_ROWS: Final = (*TIMES_OF_USE, "superseded_digest")
"""The columns that a new row does not have."""

KEPT: Final = ("id", "id_digest", "identity_digest", "created_at", *OF_STORED_ROWS)
"""The columns of a row that a save does not simply set, if it changes them at all."""

SERVED: Final = ("expiry", "redirect_url", "api_domain")
"""The columns that are served with the secrets, and are readable."""

REFRESHED: Final = (*SERVED, "access_digest", "updated_at")
"""The columns that do not identify a row's login, except the secrets."""

READABLE_SECRETS: Final = ("client_secret", "access_token")
"""The secrets among them when they are readable."""

SEAL: Final = ("key_id", "sealed")
"""What holds all secrets otherwise."""

LOGIN_DIGESTS: Final = ("grant_digest", "refresh_digest")
IDENTIFYING: Final = ("id_digest", "identity_digest", *LOGIN_DIGESTS)
"""The columns that a refresh leaves as they are."""

InsertedValues: TypeAlias = Any
"""The dialects' collections of the values that an insert proposed."""


@lru_cache
def inserting_statement(table: Table) -> Insert:
    """Build the insert of a new row, which takes a value for every column that a new row has."""
    return insert(table).values({name: _value(table, name) for name in _inserted(table)})


@lru_cache
def merging_update(table: Table, *, sealed: bool) -> Update:
    """Build the update of the row ``row_digest``; each value is ``new_`` and its column's name.

    Absent values keep what is stored, but the identity is always set.

    Args:
        table: The token table.
        sealed: Whether the secrets are sealed, so that readable ones must not stay beside them.
    """
    values: dict[str, Any] = {name: _new_or_stored(table, name) for name in _mutable(table)}
    values["identity_digest"] = _new(table, "identity_digest")
    values["login_at"] = _new_or_stored(table, "login_at")
    if sealed:
        values |= dict.fromkeys(SECRET_FIELDS, null())
        # A plain digest must not stay beside a seal. First: MySQL assigns one after the other.
        was_sealed = table.c.key_id.is_not(None)
        values = {"superseded_digest": case((was_sealed, table.c.superseded_digest))} | values
    row = table.c.id_digest == bindparam("row_digest")
    return update(table).where(row).ordered_values(*values.items())


@lru_cache
def remembering_update(table: Table) -> Update:
    """Build the update of what the row ``row_digest`` has superseded, to a ``new_`` value."""
    row = table.c.id_digest == bindparam("row_digest")
    return update(table).where(row).values(superseded_digest=_new(table, "superseded_digest"))


@lru_cache
def forgetting_update(table: Table) -> Update:
    """Build the update that forgets what the row ``row_digest`` with a login has superseded."""
    return (
        update(table)
        .where(table.c.id_digest == bindparam("row_digest"))
        .where(table.c.refresh_digest == bindparam("refused"))
        .where(table.c.superseded_digest.is_not(None))
        .values(superseded_digest=null())
    )


@lru_cache
def refreshing_update(table: Table, backend: Backend, *, sealed: bool) -> Update:
    """Build the update of a row whose login stays the same, with new values for the rest.

    It takes ``new_`` values of :func:`refreshed_columns`, and changes nothing when the row is of
    another login or has another API domain. A sealed row is replaced unread, so it changes nothing
    either when the row has anything that the new values lack; the caller makes sure of the client
    secret, which is in no other column.

    Args:
        table: The token table.
        backend: The kind of database.
        sealed: Whether the secrets are sealed.
    """
    unchanged = _keeps_sealed_row(table) if sealed else _keeps_readable_row(table)
    domain = backend.exact(table.c.api_domain) == backend.exact(_new(table, "api_domain"))
    stays = or_(table.c.api_domain.is_(None), _new(table, "api_domain").is_(None), domain)
    changed = (*REFRESHED, *(SEAL if sealed else READABLE_SECRETS))
    return (
        update(table)
        .where(table.c.id_digest == _new(table, "id_digest"))
        .where(table.c.identity_digest == _new(table, "identity_digest"), *unchanged)
        .where(stays, may_save(table, sealed=sealed))
        .ordered_values(
            ("login_at", _login_at(table, lambda name: _new(table, name))),
            *((name, _new_or_stored(table, name)) for name in changed),
        )
    )


def refreshed_columns(*, sealed: bool) -> tuple[str, ...]:
    """Return the columns whose new values :func:`refreshing_update` takes."""
    return (*REFRESHED, *(SEAL if sealed else READABLE_SECRETS), *IDENTIFYING)


def _keeps_readable_row(table: Table) -> Iterator[ColumnElement[bool]]:
    for name in LOGIN_DIGESTS:
        yield or_(_new(table, name).is_(None), table.c[name] == _new(table, name))


def _keeps_sealed_row(table: Table) -> Iterator[ColumnElement[bool]]:
    yield table.c.key_id.is_not(None)
    for name in LOGIN_DIGESTS:
        yield or_(
            table.c[name] == _new(table, name),
            and_(table.c[name].is_(None), _new(table, name).is_(None)),
        )
    for name in ("access_digest", *SERVED):
        yield or_(_new(table, name).is_not(None), table.c[name].is_(None))


@lru_cache
def upsert_statement(table: Table, backend: Backend) -> Insert | None:
    """Build the statement that inserts a token's row, or updates the row of the same identity.

    It takes a value for every column, and changes nothing when any other row shares an id, a user
    name or a token with this one: the rules then decide which row is meant. Nor does it change a
    row's API domain, or a row that has superseded the token's login. Absent values keep what is
    stored.

    Args:
        table: The token table.
        backend: The kind of database.

    Returns:
        The statement, ``None`` where the database has none.
    """
    # One subquery for each index: an OR over them is a scan on MySQL, which locks what it reads.
    names = _inserted(table)
    values = select(*(_value(table, name) for name in names)).where(
        *(~_shared_elsewhere(table, name) for name in DIGEST_COLUMNS.values()),
        ~_must_be_read(table, backend),
        may_save(table, sealed=False),
    )
    return backend.upsert(table, names, values, lambda inserted: _merged(table, inserted))


@lru_cache
def sealing_insert(table: Table) -> Insert:
    """Build the statement that inserts a sealed row whose login is new.

    It takes a value for every column, and inserts nothing when any row shares an id, a user name or
    a token with this one, or when there are readable rows, whose digests are of another kind.

    Args:
        table: The token table.
    """
    names = _inserted(table)
    rows = select(*(_value(table, name) for name in names)).where(
        *(~_is_taken(table, name) for name in DIGEST_COLUMNS.values()),
        ~exists().where(table.alias().c.key_id.is_(None)),
        may_save(table, sealed=True),
    )
    return insert(table).from_select(names, rows)


def _is_taken(table: Table, name: str) -> ColumnElement[bool]:
    return exists().where(table.alias().c[name] == _value(table, name))


def _shared_elsewhere(table: Table, name: str) -> ColumnElement[bool]:
    other = table.alias()
    return exists().where(
        other.c[name] == _value(table, name),
        other.c.identity_digest != _value(table, "identity_digest"),
    )


def _must_be_read(table: Table, backend: Backend) -> ColumnElement[bool]:
    """Build the condition that the row is one that has to be read before it is saved."""
    row = table.alias()
    return exists().where(
        row.c.identity_digest == _value(table, "identity_digest"),
        or_(
            row.c.superseded_digest == _value(table, "refresh_digest"),
            backend.exact(row.c.api_domain) != backend.exact(_value(table, "api_domain")),
        ),
    )


def _merged(table: Table, new: InsertedValues) -> dict[str, ColumnElement[Any]]:
    merged = {name: func.coalesce(new[name], table.c[name]) for name in _mutable(table)}
    return {
        "login_at": _login_at(table, lambda name: new[name]),
        "superseded_digest": _superseded_digest(table, new),
    } | merged


def _superseded_digest(table: Table, new: InsertedValues) -> ColumnElement[Any]:
    """Build what :func:`~.tokens.succession.predecessor` says, of a row that keeps its identity."""
    c = table.c
    has_new_login = and_(c.user_digest.is_not(None), new["refresh_digest"] != c.refresh_digest)
    return case((has_new_login, c.refresh_digest), else_=c.superseded_digest)


def _login_at(table: Table, new: Callable[[str], ColumnElement[Any]]) -> ColumnElement[Any]:
    """Build the new ``login_at``: now, when a new login takes the place of the stored one.

    It has to be assigned first: MySQL evaluates every assignment with the results of those before
    it, and the digests are among them.
    """
    digests = ("refresh_digest", "grant_digest", "access_digest")
    before = func.coalesce(*(table.c[name] for name in digests))
    after = func.coalesce(*(value for name in digests for value in (new(name), table.c[name])))
    return case((after != before, new("updated_at")), else_=table.c.login_at)


def _inserted(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in OF_STORED_ROWS]


def _mutable(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in KEPT]


def _value(table: Table, name: str) -> BindParameter[Any]:
    return bindparam(name, type_=table.c[name].type)


def _new(table: Table, name: str) -> BindParameter[Any]:
    # SQLAlchemy reserves the columns' own names in an update.
    return bindparam(f"new_{name}", type_=table.c[name].type)


def _new_or_stored(table: Table, name: str) -> ColumnElement[Any]:
    return func.coalesce(_new(table, name), table.c[name])
