"""Create the token table.

Revision ID: 0001
Revises: none
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LOOKED_UP = ("user_digest", "access_digest", "grant_digest", "refresh_digest")


def upgrade() -> None:
    """Create the table, its unique key and the indexes that lookups use."""
    table, schema = _target()
    digest = sa.String(64)
    moment = (
        sa.DateTime(timezone=True)
        .with_variant(DATETIME(fsp=6), "mysql", "mariadb")
        .with_variant(sa.TIMESTAMP(timezone=True), "oracle")
    )
    text = sa.UnicodeText().with_variant(NVARCHAR(), "mssql")
    op.create_table(
        table,
        sa.Column("id_digest", digest, nullable=False),
        sa.Column("id", text, nullable=False),
        sa.Column("user_name", text),
        sa.Column("client_id", text),
        sa.Column("client_secret", text),
        sa.Column("refresh_token", text),
        sa.Column("access_token", text),
        sa.Column("grant_token", text),
        sa.Column("expiry", sa.BigInteger()),
        sa.Column("redirect_url", text),
        sa.Column("api_domain", text),
        sa.Column("identity_digest", digest, nullable=False),
        *(sa.Column(name, digest) for name in LOOKED_UP),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id_digest", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("identity_digest", name=op.f(f"uq_{table}_identity_digest")),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )
    for name in LOOKED_UP:
        op.create_index(op.f(f"ix_{table}_{name}"), table, [name], schema=schema)


def downgrade() -> None:
    """Drop the table and every token in it."""
    table, schema = _target()
    op.drop_table(table, schema=schema)


def _target() -> tuple[str, str | None]:
    """Return the name and schema of the table that this run is about; see env.py."""
    options = op.get_context().opts
    return options["token_table"], options["token_schema"]
