"""Our revisions, run within the revisions of an application's own Alembic."""

from typing import Final

from alembic import op
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, PrimaryKeyConstraint, String, column, inspect
from sqlalchemy import table as table_clause

from zoho_tokenstore.database.dialects import backend_named
from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.schema.downgrades import refuse_loss
from zoho_tokenstore.schema.migrations import alone, drop_unfinished, migrations_path
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import REVISIONS, SchemaState, TokenSchema

__all__ = ["run_revisions"]

BASE: Final = "base"
KNOWN: Final = (BASE, *REVISIONS)


def run_revisions(
    start: str,
    target: str,
    *,
    table: str = DEFAULT_TABLE,
    schema: str | None = None,
    confirmed: bool = False,
) -> None:
    """Run our revisions within a revision of the application's own Alembic.

    Call it in ``upgrade()``, and with the revisions exchanged in ``downgrade()``. It runs in the
    transaction of that revision, with ``--sql`` too. It continues from the revision that the
    database records: tables that the store or ``zoho-tokenstore upgrade`` created are kept.

    Args:
        start: Our revision before: ``"base"``, or one that ``zoho-tokenstore history`` lists.
        target: Our revision afterwards.
        table: Name of the token table.
        schema: Schema of the token table, ``None`` for the connection's default.
        confirmed: Whether a downgrade may delete tokens and audit entries.

    Raises:
        ConfigurationError: A name is invalid.
        MigrationError: A revision is unknown, or a downgrade is refused because it loses tokens.
        SchemaError: The table is from a later release or not ours.
    """
    names = TokenSchema(table, schema)
    for revision in (start, target):
        if revision not in KNOWN:
            raise MigrationError(f"unknown revision {revision!r}: pass one of {', '.join(KNOWN)}")
    context = op.get_context()
    context.opts |= {"token_table": names.name, "token_schema": names.namespace}
    if context.as_sql:
        _run_steps(names, start, target, has_version_table=start != BASE)
        return
    connection = op.get_bind()
    with alone(backend_named(connection.dialect.name), names, connection):
        _run_from_recorded(names, connection, start, target, confirmed=confirmed)


def _run_from_recorded(
    names: TokenSchema, connection: Connection, start: str, target: str, *, confirmed: bool
) -> None:
    state = names.state(connection)
    names.refuse_unusable(state)
    if state is SchemaState.UNFINISHED:
        drop_unfinished(names, connection)
    current = names.revision(connection) or BASE
    end = KNOWN.index(target)
    has_version_table = inspect(connection).has_table(names.version_table, names.namespace)
    if KNOWN.index(start) > end:
        if KNOWN.index(current) > end:
            refuse_loss(names, connection, target, confirmed=confirmed)
            _run_steps(names, current, target, has_version_table=has_version_table)
    elif KNOWN.index(current) < end:
        _run_steps(names, current, target, has_version_table=has_version_table)


def _run_steps(names: TokenSchema, start: str, target: str, *, has_version_table: bool) -> None:
    """Run each revision between the two, and record it."""
    scripts = ScriptDirectory(str(migrations_path()))
    begin, end = KNOWN.index(start), KNOWN.index(target)
    if not has_version_table:
        _create_version_table(names)
    for index in range(begin + 1, end + 1):
        scripts.get_revision(KNOWN[index]).module.upgrade()
        _record_revision(names, KNOWN[index - 1], KNOWN[index])
    for index in range(begin, end, -1):
        scripts.get_revision(KNOWN[index]).module.downgrade()
        _record_revision(names, KNOWN[index], KNOWN[index - 1])
    if target == BASE:
        op.drop_table(names.version_table, schema=names.namespace)


def _create_version_table(names: TokenSchema) -> None:
    # As Alembic itself creates it.
    op.create_table(
        names.version_table,
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name=op.f(f"{names.version_table}_pkc")),
        schema=names.namespace,
    )


def _record_revision(names: TokenSchema, before: str, after: str) -> None:
    versions = table_clause(
        names.version_table, column("version_num", String(32)), schema=names.namespace
    )
    value = {"version_num": op.inline_literal(after)}
    recorded = versions.c.version_num == op.inline_literal(before)
    if before == BASE:
        op.execute(versions.insert().values(value))
    elif after == BASE:
        op.execute(versions.delete().where(recorded))
    else:
        op.execute(versions.update().where(recorded).values(value))
