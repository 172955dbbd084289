"""Create the lease table: who refreshes which token.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mssql import NVARCHAR

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; nothing of the token table changes."""
    table, schema = _target()
    text = sa.UnicodeText().with_variant(NVARCHAR(), "mssql")
    op.create_table(
        table,
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("credential", sa.String(64)),
        sa.Column("starts", text),
        sa.Column("failure", text),
        sa.Column("retry_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name=op.f(f"pk_{table}")),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def downgrade() -> None:
    """Drop the table: leases, budgets and failures are forgotten, tokens stay."""
    table, schema = _target()
    op.drop_table(table, schema=schema)


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return f"{options['token_table']}_lease", options["token_schema"]
