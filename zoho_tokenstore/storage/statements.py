"""The statements that change rows, built once for each table."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Table,
    Update,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.schema.models import ADDED_COLUMNS
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS

__all__ = [
    "REFRESHED",
    "merging_update",
    "refreshing_update",
    "upsert_statement",
]

KEPT: Final = ("id", "id_digest", "identity_digest", "created_at", *ADDED_COLUMNS)
"""The columns of a row that a save does not simply set, if it changes them at all."""

REFRESHED: Final = (
    *("client_secret", "access_token", "access_digest", "expiry", "redirect_url", "api_domain"),
    "updated_at",
)
"""The columns that do not identify a row's login."""

InsertedValues: TypeAlias = Any
"""The dialects' collections of the values that an insert proposed."""


def merging_update(table: Table) -> Update:
    """Build the update of the row ``row_digest``; each value is ``new_`` and its column's name.

    Absent values keep what is stored, but the identity is always set.
    """
    values = {name: _new_or_stored(table, name) for name in _mutable(table)}
    values["identity_digest"] = _new(table, "identity_digest")
    values["login_at"] = _new_or_stored(table, "login_at")
    return update(table).where(table.c.id_digest == bindparam("row_digest")).values(values)


def refreshing_update(table: Table, keys: Table) -> Update:
    """Build the update of a row whose login stays the same, with new values for the rest.

    It takes ``new_`` values of :data:`REFRESHED` and of ``id_digest``, ``identity_digest``,
    ``grant_digest`` and ``refresh_digest``, and changes nothing when one of these four is not the
    row's; the last two may be absent. It changes nothing either when the table has keys, because
    its values are readable.
    """
    unchanged = (
        or_(_new(table, name).is_(None), table.c[name] == _new(table, name))
        for name in ("grant_digest", "refresh_digest")
    )
    return (
        update(table)
        .where(table.c.id_digest == _new(table, "id_digest"))
        .where(table.c.identity_digest == _new(table, "identity_digest"), *unchanged)
        .where(~exists(select(keys.c.key_id)))
        .ordered_values(
            ("login_at", _login_at(table, lambda name: _new(table, name))),
            *((name, _new_or_stored(table, name)) for name in REFRESHED),
        )
    )


def upsert_statement(table: Table, keys: Table, backend: Backend) -> Insert | None:
    """Build the statement that inserts a token's row, or updates the row of the same identity.

    It takes a value for every column, and changes nothing when any other row shares an id, a user
    name or a token with this one: the rules then decide which row is meant. It changes nothing
    either when the table has keys, because its values are readable. Absent values keep what is
    stored.

    Args:
        table: The token table.
        keys: Its key table.
        backend: The kind of database.

    Returns:
        The statement, ``None`` where the database has none.
    """
    # One subquery for each index: an OR over them is a scan on MySQL, which locks what it reads.
    names = [column.name for column in table.columns if column.name not in ADDED_COLUMNS]
    values = select(*(_value(table, name) for name in names)).where(
        *(~_shared_elsewhere(table, name) for name in DIGEST_COLUMNS.values()),
        ~exists(select(keys.c.key_id)),
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
