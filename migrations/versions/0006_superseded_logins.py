"""Remember the refresh token that a row had before its present one, in a column.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was superseded before is not known."""
    table, schema = _target()
    if "superseded_digest" not in _columns(table, schema):
        op.add_column(table, sa.Column("superseded_digest", sa.String(64)), schema=schema)


def downgrade() -> None:
    """Drop the column: what was superseded is forgotten, tokens stay."""
    table, schema = _target()
    op.drop_column(table, "superseded_digest", schema=schema)


def _columns(table: str, schema: str | None) -> set[str]:
    """Return what is there: a migration may have been cut short where DDL has no transactions."""
    if context.is_offline_mode():
        return set()
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table, schema)}


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return options["token_table"], options["token_schema"]
