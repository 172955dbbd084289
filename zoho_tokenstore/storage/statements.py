"""The statements that change rows, built once for each table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    Column,
    ColumnElement,
    Insert,
    Table,
    Update,
    any_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from zoho_tokenstore.schema.models import ADDED_COLUMNS
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS

__all__ = [
    "PACKING",
    "REFRESHED",
    "keeping_update",
    "one_of",
    "packed",
    "refreshing_update",
    "upsert",
]

KEPT: Final = ("id", "id_digest", "identity_digest", "created_at", *ADDED_COLUMNS)
"""The columns of a row that a save does not just set, if it changes them at all."""

REFRESHED: Final = (
    *("client_secret", "access_token", "access_digest", "expiry", "redirect_url", "api_domain"),
    "updated_at",
)
"""The columns that say nothing about which login a row is."""

PACKING: Final = ("mysql", "mariadb")
"""Databases whose drivers parse a description of each column, in Python, for every result: for ten
columns that takes longer than the query."""

INSERTS_ON_CONFLICT: Final[
    Mapping[str, Callable[[Table], sqlite.Insert] | Callable[[Table], postgresql.Insert]]
] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def one_of(column: Column[Any], backend: str) -> ColumnElement[bool]:
    """Build the condition that a column has one of the values in the parameter of its name."""
    # One array instead of hundreds of parameters: much faster to send and to plan.
    if backend == "postgresql":
        return column == any_(bindparam(column.name, type_=ARRAY(column.type)))
    if backend == "sqlite":
        array = func.json_each(bindparam(column.name, type_=JSON)).table_valued("value")
        return column.in_(select(array.c.value))
    return column.in_(bindparam(column.name, type_=column.type, expanding=True))


def packed(table: Table, names: Iterable[str]) -> ColumnElement[Any]:
    """Build one column that holds all of these as a list."""
    return func.json_array(*(table.c[name] for name in names), type_=JSON)


def keeping_update(table: Table) -> Update:
    """Build the update of the row ``row_digest``; each value is ``new_`` and its column's name.

    Absent values keep what is stored, but the identity is always set.
    """
    values = {name: _new_or_stored(table, name) for name in _mutable(table)}
    values["identity_digest"] = _new(table, "identity_digest")
    values["login_at"] = _new_or_stored(table, "login_at")
    return update(table).where(table.c.id_digest == bindparam("row_digest")).values(values)


def refreshing_update(table: Table, keys: Table) -> Update:
    """Build the update of a row whose login stays what it is, the rest of it being new.

    It takes ``new_`` values of :data:`REFRESHED` and of ``id_digest``, ``identity_digest``,
    ``grant_digest`` and ``refresh_digest``, and does nothing when one of these four is not the
    row's; the last two may be absent. Nor does it when the table has keys, because its values are
    readable.
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


def upsert(table: Table, keys: Table, backend: str) -> Insert | None:
    """Build the statement that inserts a token's row, or updates the row of the same identity.

    It takes a value for every column, and does nothing when any other row shares an id, a user name
    or a token with this one: which row is meant is then for the rules to say. Nor does it when the
    table has keys, because its values are readable. Absent values keep what is stored.

    Args:
        table: The token table.
        keys: Its key table.
        backend: SQLAlchemy's name of the database.

    Returns:
        The statement, ``None`` where it is not known how the database does it.
    """
    # One subquery for each index: an OR over them is a scan on MySQL, which locks what it reads.
    names = [column.name for column in table.columns if column.name not in ADDED_COLUMNS]
    values = select(*(_value(table, name) for name in names)).where(
        *(~_shared_elsewhere(table, name) for name in DIGEST_COLUMNS.values()),
        ~exists(select(keys.c.key_id)),
    )
    if backend in ("mysql", "mariadb"):
        duplicate = mysql.insert(table).from_select(names, values)
        # Any unique key leads here. It is never another row's id: the subquery has looked, and
        # holds a lock on what it found missing.
        return duplicate.on_duplicate_key_update([*_merged(table, duplicate.inserted).items()])
    if backend in INSERTS_ON_CONFLICT:
        conflict = INSERTS_ON_CONFLICT[backend](table).from_select(names, values)
        return conflict.on_conflict_do_update(
            index_elements=[table.c.identity_digest], set_=_merged(table, conflict.excluded)
        )
    return None


def _shared_elsewhere(table: Table, name: str) -> ColumnElement[bool]:
    other = table.alias()
    return exists().where(
        other.c[name] == _value(table, name),
        other.c.identity_digest != _value(table, "identity_digest"),
    )


def _merged(table: Table, new: Any) -> dict[str, ColumnElement[Any]]:  # noqa: ANN401 - by dialect
    merged = {name: func.coalesce(new[name], table.c[name]) for name in _mutable(table)}
    return {"login_at": _login_at(table, lambda name: new[name])} | merged


def _login_at(table: Table, new: Callable[[str], ColumnElement[Any]]) -> ColumnElement[Any]:
    """Build what ``login_at`` becomes: when a new login takes the place of the stored one, now.

    It has to be assigned first: MySQL works out every assignment with what those before it have
    left, and the digests are among them.
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
    # SQLAlchemy keeps the columns' own names for itself in an update.
    return bindparam(f"new_{name}", type_=table.c[name].type)


def _new_or_stored(table: Table, name: str) -> ColumnElement[Any]:
    return func.coalesce(_new(table, name), table.c[name])
