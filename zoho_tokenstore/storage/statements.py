"""The statements that change rows, built once for each table."""

from collections.abc import Callable, Iterator
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
    null,
    or_,
    select,
    update,
)

from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS
from zoho_tokenstore.tokens.record import SECRET_FIELDS

__all__ = [
    "SEAL",
    "merging_update",
    "refreshed_columns",
    "refreshing_update",
    "upsert_statement",
]

TIMES_OF_USE: Final = ("login_at", "used_at")

KEPT: Final = ("id", "id_digest", "identity_digest", "created_at", *TIMES_OF_USE)
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
    return update(table).where(table.c.id_digest == bindparam("row_digest")).values(values)


def refreshing_update(table: Table, may_save: ColumnElement[bool], *, sealed: bool) -> Update:
    """Build the update of a row whose login stays the same, with new values for the rest.

    It takes ``new_`` values of :func:`refreshed_columns`, and changes nothing when the row is of
    another login. A sealed row is replaced unread, so it changes nothing either when the row has
    anything that the new values lack; the caller makes sure of the client secret, which is in no
    other column.

    Args:
        table: The token table.
        may_save: The condition that :func:`~zoho_tokenstore.storage.keys.may_save` builds.
        sealed: Whether the secrets are sealed.
    """
    unchanged = _keeps_sealed_row(table) if sealed else _keeps_readable_row(table)
    changed = (*REFRESHED, *(SEAL if sealed else READABLE_SECRETS))
    return (
        update(table)
        .where(table.c.id_digest == _new(table, "id_digest"))
        .where(table.c.identity_digest == _new(table, "identity_digest"), *unchanged)
        .where(may_save)
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


def upsert_statement(
    table: Table, may_save: ColumnElement[bool], backend: Backend
) -> Insert | None:
    """Build the statement that inserts a token's row, or updates the row of the same identity.

    It takes a value for every column, and changes nothing when any other row shares an id, a user
    name or a token with this one: the rules then decide which row is meant. Absent values keep what
    is stored.

    Args:
        table: The token table.
        may_save: The condition that :func:`~zoho_tokenstore.storage.keys.may_save` builds.
        backend: The kind of database.

    Returns:
        The statement, ``None`` where the database has none.
    """
    # One subquery for each index: an OR over them is a scan on MySQL, which locks what it reads.
    names = [column.name for column in table.columns if column.name not in TIMES_OF_USE]
    values = select(*(_value(table, name) for name in names)).where(
        *(~_shared_elsewhere(table, name) for name in DIGEST_COLUMNS.values()),
        may_save,
    )
    return backend.upsert(table, names, values, lambda inserted: _merged(table, inserted))


def _shared_elsewhere(table: Table, name: str) -> ColumnElement[bool]:
    other = table.alias()
    return exists().where(
        other.c[name] == _value(table, name),
        other.c.identity_digest != _value(table, "identity_digest"),
    )


def _merged(table: Table, new: InsertedValues) -> dict[str, ColumnElement[Any]]:
    merged = {name: func.coalesce(new[name], table.c[name]) for name in _mutable(table)}
    return {"login_at": _login_at(table, lambda name: new[name])} | merged


def _login_at(table: Table, new: Callable[[str], ColumnElement[Any]]) -> ColumnElement[Any]:
    """Build the new ``login_at``: now, when a new login takes the place of the stored one.

    It has to be assigned first: MySQL evaluates every assignment with the results of those before
    it, and the digests are among them.
    """
    digests = ("refresh_digest", "grant_digest", "access_digest")
    before = func.coalesce(*(table.c[name] for name in digests))
    after = func.coalesce(*(value for name in digests for value in (new(name), table.c[name])))
    return case((after != before, new("updated_at")), else_=table.c.login_at)


def _mutable(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in KEPT]


def _value(table: Table, name: str) -> BindParameter[Any]:
    return bindparam(name, type_=table.c[name].type)


def _new(table: Table, name: str) -> BindParameter[Any]:
    # SQLAlchemy reserves the columns' own names in an update.
    return bindparam(f"new_{name}", type_=table.c[name].type)


def _new_or_stored(table: Table, name: str) -> ColumnElement[Any]:
    return func.coalesce(_new(table, name), table.c[name])
