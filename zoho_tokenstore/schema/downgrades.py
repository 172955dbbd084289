"""The losses of a downgrade, found and refused before it begins."""

import re

from sqlalchemy import ColumnElement, Connection, Table, func, inspect, or_, select

from zoho_tokenstore.encryption.cipher import MARK
from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.schema.state import REVISIONS, TokenSchema
from zoho_tokenstore.tokens.record import SECRET_FIELDS

__all__ = ["count_rows", "refuse_loss"]


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
    dropped = _dropped_tables(schema, connection, revision)
    tokens, keys = schema.table, companion_table(schema.table, "key")
    if keys in dropped:
        encrypted = or_(*(tokens.c[name].startswith(MARK) for name in SECRET_FIELDS))
        if number := count_rows(connection, tokens, encrypted):
            raise MigrationError(
                f"table {schema.name!r} holds encrypted tokens ({number}) that need the table "
                f"{keys.name!r}: delete them first, or keep revision {REVISIONS[2]!r} or later"
            )
    if confirmed:
        return
    if number := count_rows(connection, tokens):
        raise MigrationError(
            f"table {schema.name!r} holds tokens that a downgrade may delete ({number}); pass "
            "--yes to confirm"
        )
    audit = companion_table(tokens, "audit")
    if audit in dropped and (number := count_rows(connection, audit)):
        raise MigrationError(
            f"table {audit.name!r} holds entries that a downgrade deletes ({number}); pass --yes "
            "to confirm"
        )


def count_rows(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Return the number of rows that meet all conditions."""
    query = select(func.count()).select_from(table).where(*conditions)
    return connection.execute(query).scalar_one()


def _dropped_tables(schema: TokenSchema, connection: Connection, revision: str) -> list[Table]:
    kept = _kept_revisions(schema.revision(connection), revision)
    present = inspect(connection)
    return [
        table
        for table in schema.tables[len(kept) :]
        if present.has_table(table.name, schema=schema.namespace)
    ]


def _kept_revisions(current: str | None, target: str) -> tuple[str, ...]:
    """Return the revisions that a downgrade leaves; none for ``base`` and for unknown ones."""
    if target in REVISIONS:
        return REVISIONS[: REVISIONS.index(target) + 1]
    if current in REVISIONS and re.fullmatch(r"-\d+", target):
        return REVISIONS[: max(0, REVISIONS.index(current) + 1 + int(target))]
    return ()
