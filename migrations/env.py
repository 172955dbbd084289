"""Alembic's environment, for the ``alembic`` command in a checkout and for the package itself.

The package passes the table and an open connection. The ``alembic`` command reads
``ZOHO_TOKENSTORE_URL``, ``_TABLE`` and ``_SCHEMA``, or ``-x url=…``, ``-x table=…`` and
``-x schema=…``.
"""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import make_url

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.schema.migrations import Target
from zoho_tokenstore.settings import Settings


def run(target: Target) -> None:
    """Run the migrations that the command asks for."""
    target.configure(context.configure)
    with context.begin_transaction():
        context.run_migrations()


def run_from_command_line() -> None:
    """Run them for the ``alembic`` command."""
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    settings = Settings.from_env(overrides=context.get_x_argument(as_dictionary=True))
    if context.is_offline_mode():
        run(Target(settings.token_schema, url=make_url(settings.url)))
        return
    database = Database(settings.url)
    try:
        database.migrate(lambda connection: run(Target(settings.token_schema, connection)))
    finally:
        database.close()


if Target.KEY in context.config.attributes:
    run(context.config.attributes[Target.KEY])
else:
    run_from_command_line()
