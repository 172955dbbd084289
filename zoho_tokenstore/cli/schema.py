"""The commands for the schema: upgrade, downgrade, current, history, check."""

import json
from io import StringIO
from typing import Annotated

import typer
from sqlalchemy import make_url

from zoho_tokenstore.cli.console import data, messages
from zoho_tokenstore.cli.options import Json, on_schema, open_database
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import HEAD
from zoho_tokenstore.settings import Settings

__all__ = ["register"]

Sql = Annotated[
    bool, typer.Option("--sql", help="Print the SQL statements instead of running them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(upgrade)
    # -1, "one revision back", is an argument and not an option.
    app.command(context_settings={"ignore_unknown_options": True})(downgrade)
    app.command()(current)
    app.command()(history)
    app.command()(check)


@on_schema
def upgrade(
    settings: Settings,
    revision: Annotated[str, typer.Argument(help="Upgrade to this revision.")] = "head",
    *,
    sql: Sql = False,
) -> None:
    """Create the token table or upgrade it to this release."""
    if sql:
        _print_sql(settings, "upgrade", revision)
        return
    with open_database(settings) as database:
        migrations.upgrade(database, settings.token_schema, revision)
        _print_revision(settings, database)


@on_schema
def downgrade(
    settings: Settings,
    revision: Annotated[
        str,
        typer.Argument(
            help="Downgrade to this revision, by one revision (-1) or to an empty database (base)."
        ),
    ],
    *,
    sql: Sql = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Downgrade even if stored tokens or audit entries are lost."),
    ] = False,
) -> None:
    """Downgrade the token table to an earlier revision, or drop it with base."""
    if sql:
        revisions = revision if ":" in revision else f"{HEAD}:{revision}"
        _print_sql(settings, "downgrade", revisions)
        return
    with open_database(settings, create=False) as database:
        migrations.downgrade(database, settings.token_schema, revision, confirmed=yes)
        _print_revision(settings, database)


@on_schema
def current(settings: Settings, *, as_json: Json = False) -> None:
    """Show the revision of the token table."""
    with open_database(settings, create=False) as database:
        revision = _revision(settings, database)
    if as_json:
        data.print(json.dumps({"revision": revision, "head": HEAD}))
    elif revision is not None:
        data.print(f"{revision} (head)" if revision == HEAD else revision)
    else:
        options = settings.token_schema.options
        messages.print(f"token table missing: run zoho-tokenstore upgrade{options}")


def history(*, as_json: Json = False) -> None:
    """List all revisions, newest first."""
    revisions = migrations.history()
    if as_json:
        data.print(json.dumps([{"revision": key, "summary": doc} for key, doc in revisions]))
        return
    for key, doc in revisions:
        data.print(f"{key}{' (head)' if key == HEAD else ''}: {doc}")


@on_schema
def check(settings: Settings) -> None:
    """Check that the token table is exactly the one of this release."""
    with open_database(settings, create=False) as database:
        migrations.check(database, settings.token_schema)
    messages.print("the token table matches this release")


def _print_sql(settings: Settings, direction: str, revisions: str) -> None:
    sql = StringIO()
    migrations.offline_sql(make_url(settings.url), settings.token_schema, direction, revisions, sql)
    for line in sql.getvalue().splitlines():
        data.print(line.expandtabs(4))


def _print_revision(settings: Settings, database: Database) -> None:
    messages.print(f"{database} is at revision {_revision(settings, database) or 'base'}")


def _revision(settings: Settings, database: Database) -> str | None:
    return database.read(lambda session: settings.token_schema.revision(session.connection()))
