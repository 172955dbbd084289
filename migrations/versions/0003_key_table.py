"""Create the key table: which keys the tokens are encrypted with.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.dialects.mysql import DATETIME

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; nothing of the token table changes."""
    table, schema = _target()
    moment = (
        sa.DateTime(timezone=True)
        .with_variant(DATETIME(fsp=6), "mysql", "mariadb")
        .with_variant(sa.TIMESTAMP(timezone=True), "oracle")
    )
    op.create_table(
        table,
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column(
            "index_key",
            sa.UnicodeText().with_variant(NVARCHAR(), "mssql"),
            nullable=False,
        ),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f(f"pk_{table}")),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def downgrade() -> None:
    """Drop the table; encrypted tokens cannot be read without it."""
    table, schema = _target()
    op.drop_table(table, schema=schema)


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return f"{options['token_table']}_key", options["token_schema"]
