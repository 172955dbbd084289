"""Encrypt the secrets of a row together: two columns, and a new key table.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import context, op
from alembic.util import CommandError
from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.dialects.mysql import DATETIME, VARCHAR

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SECRETS = ("client_secret", "refresh_token", "access_token", "grant_token")
EARLIER_FORM = "zts1:"
"""What each encrypted value began with until revision 0004."""


def upgrade() -> None:
    """Add the columns; an earlier key table fits no row that is left and is replaced."""
    table, schema = _target()
    present = _columns_and_indexes(table, schema)
    _refuse_earlier_form(table, schema)
    op.drop_table(f"{table}_key", schema=schema, if_exists=True)
    _create_key_table(table, schema, sa.Column("index_digest", sa.String(64), nullable=False))
    text = sa.UnicodeText().with_variant(NVARCHAR(), "mssql")
    if "key_id" not in present:
        op.add_column(table, sa.Column("key_id", _key_id()), schema=schema)
    if "sealed" not in present:
        op.add_column(table, sa.Column("sealed", text), schema=schema)
    if f"ix_{table}_key_id" not in present:
        op.create_index(op.f(f"ix_{table}_key_id"), table, ["key_id"], schema=schema)


def downgrade() -> None:
    """Drop the columns: encrypted tokens are lost, readable ones stay."""
    table, schema = _target()
    op.drop_index(op.f(f"ix_{table}_key_id"), table, schema=schema)
    for name in ("sealed", "key_id"):
        op.drop_column(table, name, schema=schema)
    op.drop_table(f"{table}_key", schema=schema)
    _create_key_table(table, schema)


def _create_key_table(table: str, schema: str | None, *added: sa.Column[str]) -> None:
    moment = (
        sa.DateTime(timezone=True)
        .with_variant(DATETIME(fsp=6), "mysql", "mariadb")
        .with_variant(sa.TIMESTAMP(timezone=True), "oracle")
    )
    op.create_table(
        f"{table}_key",
        sa.Column("key_id", _key_id(), nullable=False),
        sa.Column(
            "index_key",
            sa.UnicodeText().with_variant(NVARCHAR(), "mssql"),
            nullable=False,
        ),
        *added,
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f(f"pk_{table}_key")),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def _key_id() -> sa.types.TypeEngine[str]:
    exact = VARCHAR(32, charset="ascii", collation="ascii_bin")
    return sa.String(32).with_variant(exact, "mysql", "mariadb")


def _refuse_earlier_form(table: str, schema: str | None) -> None:
    """Raise for values that each were encrypted alone: nothing reads them any more."""
    if context.is_offline_mode():
        return
    rows = sa.table(table, *(sa.column(name, sa.UnicodeText()) for name in SECRETS), schema=schema)
    encrypted = sa.or_(*(rows.c[name].startswith(EARLIER_FORM) for name in SECRETS))
    query = sa.select(sa.func.count()).select_from(rows).where(encrypted)
    if number := op.get_bind().execute(query).scalar_one():
        raise CommandError(
            f"table {table!r} holds tokens in an earlier form of encryption ({number}): with the "
            "release that wrote them, run 'zoho-tokenstore export' and 'zoho-tokenstore delete "
            "--all'; then upgrade, and import the export"
        )


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
