"""Create the audit table; note when tokens were logged in with and used.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.dialects.mysql import DATETIME

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ADDED = ("login_at", "used_at")


def upgrade() -> None:
    """Add two columns, absent in every row, and create the table."""
    table, schema = _target()
    moment = (
        sa.DateTime(timezone=True)
        .with_variant(DATETIME(fsp=6), "mysql", "mariadb")
        .with_variant(sa.TIMESTAMP(timezone=True), "oracle")
    )
    for name in ADDED:
        if name not in _columns(table, schema):
            op.add_column(table, sa.Column(name, moment), schema=schema)
    text = sa.UnicodeText().with_variant(NVARCHAR(), "mssql")
    op.create_table(
        f"{table}_audit",
        sa.Column("entry_id", sa.String(48), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("token_id", text, nullable=False),
        sa.Column("user_name", text),
        sa.Column("client_id", text),
        sa.Column("credential", sa.String(12)),
        sa.Column("host", text, nullable=False),
        sa.Column("process", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f(f"pk_{table}_audit")),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def downgrade() -> None:
    """Drop the table and the columns: what happened is forgotten, tokens stay."""
    table, schema = _target()
    op.drop_table(f"{table}_audit", schema=schema)
    for name in ADDED:
        op.drop_column(table, name, schema=schema)


def _columns(table: str, schema: str | None) -> set[str]:
    """Return what is there: a migration may have been cut short where DDL has no transactions."""
    if context.is_offline_mode():
        return set()
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table, schema)}


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return options["token_table"], options["token_schema"]
