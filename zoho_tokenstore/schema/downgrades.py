"""The losses of a downgrade, found and refused before it begins."""

import re
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, func, inspect, select

from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import REVISIONS, TokenSchema

__all__ = ["count_rows", "refuse_loss"]

SEALING: Final = "0005"
"""The revision whose columns hold encrypted tokens."""


def refuse_loss(
    schema: TokenSchema, connection: Connection, revision: str, *, confirmed: bool
) -> None:
    """Raise if a downgrade would make encrypted tokens unreadable, or delete rows unconfirmed.

    Args:
        schema: The token table.
        connection: The transaction of the downgrade.
        revision: The target: a revision, ``-1`` or ``base``.
        confirmed: Whether tokens and audit entries may be deleted.

    Raises:
        MigrationError: The downgrade is refused.
    """
    tokens = schema.table
    current = schema.revision(connection)
    kept = _kept_revisions(current, revision)
    if SEALING in _revisions_until(current) and SEALING not in kept:
        sealed = tokens.c.key_id.is_not(None)
        if number := count_rows(connection, tokens, sealed):
            raise MigrationError(
                f"table {schema.name!r} holds encrypted tokens ({number}), which are lost before "
                f"revision {SEALING!r}: export and delete them first"
            )
    if confirmed:
        return
    if number := count_rows(connection, tokens):
        raise MigrationError(
            f"table {schema.name!r} holds tokens that a downgrade may delete ({number}); pass "
            "--yes to confirm"
        )
    audit = companion_table(tokens, "audit")
    if audit in _dropped_tables(schema, connection, kept) and (
        number := count_rows(connection, audit)
    ):
        raise MigrationError(
            f"table {audit.name!r} holds entries that a downgrade deletes ({number}); pass --yes "
            "to confirm"
        )


def count_rows(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Return the number of rows that meet all conditions."""
    query = select(func.count()).select_from(table).where(*conditions)
    return connection.execute(query).scalar_one()


def _dropped_tables(
    schema: TokenSchema, connection: Connection, kept: tuple[str, ...]
) -> list[Table]:
    present = inspect(connection)
    return [
        table
        for table in schema.tables[len(kept) :]
        if present.has_table(table.name, schema=schema.namespace)
    ]


def _kept_revisions(current: str | None, target: str) -> tuple[str, ...]:
    """Return the revisions that a downgrade leaves; none for ``base`` and for unknown ones."""
    if target in REVISIONS:
        return _revisions_until(target)
    if current in REVISIONS and re.fullmatch(r"-\d+", target):
        return REVISIONS[: max(0, REVISIONS.index(current) + 1 + int(target))]
    return ()


def _revisions_until(revision: str | None) -> tuple[str, ...]:
    """Return a revision and those before it, none without one."""
    return REVISIONS[: REVISIONS.index(revision) + 1] if revision in REVISIONS else ()
