"""Remember the refresh token that a row had before its present one: two columns, one indexed.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ADDED = ("superseded_digest", "superseded_proof")


def upgrade() -> None:
    """Add the columns; what was superseded before is not known."""
    table, schema = _target()
    present = _columns_and_indexes(table, schema)
    for name in ADDED:
        if name not in present:
            op.add_column(table, sa.Column(name, sa.String(64)), schema=schema)
    if f"ix_{table}_superseded_digest" not in present:
        op.create_index(
            op.f(f"ix_{table}_superseded_digest"), table, ["superseded_digest"], schema=schema
        )


def downgrade() -> None:
    """Drop the columns: what was superseded is forgotten, tokens stay."""
    table, schema = _target()
    op.drop_index(op.f(f"ix_{table}_superseded_digest"), table, schema=schema)
    for name in ADDED:
        op.drop_column(table, name, schema=schema)


def _columns_and_indexes(table: str, schema: str | None) -> set[str | None]:
    """Return what is there: a migration may have been cut short where DDL has no transactions."""
    if context.is_offline_mode():
        return set()
    found = sa.inspect(op.get_bind())
    columns = {column["name"] for column in found.get_columns(table, schema)}
    return columns | {index["name"] for index in found.get_indexes(table, schema)}


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return options["token_table"], options["token_schema"]
