"""``SQLAlchemyTokenStore``: the SDK's contract on an SQL database."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy import URL, Engine

from zoho_tokenstore.config import Settings
from zoho_tokenstore.database import Database
from zoho_tokenstore.models import DEFAULT_TABLE
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.schema import TokenSchema
from zoho_tokenstore.sdk import SDKTokenStore
from zoho_tokenstore.token import TokenRecord

__all__ = ["SQLAlchemyTokenStore"]


class SQLAlchemyTokenStore(SDKTokenStore):
    """Keep the SDK's OAuth tokens in any database that SQLAlchemy speaks to.

    Pass it as ``store=`` to the SDK's ``Initializer.initialize``. One object serves all users and
    all threads of a process, and any number of processes may share the database. Nothing is opened
    before the first use, which also sets up an empty database.

    Args:
        database: A database URL (text or SQLAlchemy's ``URL``), or an ``Engine`` that you keep:
            :meth:`close` leaves it alone.
        table: The table's name.
        schema: The schema that the table lies in, ``None`` for the connection's default.
        create: Whether the first use may set up an empty database. With ``False`` run
            ``zoho-tokenstore upgrade`` in the deployment.
        missing_id: What :meth:`find_token_by_id` does about an unknown id: ``"none"`` returns
            ``None``, ``"raise"`` raises the SDK's own error, as releases before 8-0 7.0.0 need.

    Raises:
        ConfigurationError: The URL or a name cannot be used.
        MissingDriverError: The database's driver is not installed.
        MissingSDKError: No Zoho CRM SDK is installed.
    """

    def __init__(
        self,
        database: str | URL | Engine,
        *,
        table: str = DEFAULT_TABLE,
        schema: str | None = None,
        create: bool = True,
        missing_id: Literal["none", "raise"] = "none",
    ) -> None:
        """Prepare everything; open nothing."""
        super().__init__(missing_id=missing_id)
        self._schema = TokenSchema(table, schema)
        self._database = Database(database, create=create)
        self._tokens = TokenRepository(self._schema.table, self._database.url.get_backend_name())
        self._create = create
        self._ready = False
        self._setting_up = threading.Lock()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:  # noqa: ANN401 - passed on
        """Make the store that ``ZOHO_TOKENSTORE_URL``, ``_TABLE`` and ``_SCHEMA`` describe.

        Args:
            environ: The environment.
            options: The constructor's other arguments.

        Raises:
            ConfigurationError: A variable is missing or cannot be used; the error names it.
        """
        settings = Settings.from_env(environ)
        names = settings.token_schema
        return cls(settings.url, table=names.name, schema=names.namespace, **options)

    def close(self) -> None:
        """Close the store's connections; the next use opens new ones."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Name the database, without its password, and the table."""
        return f"{type(self).__name__}({str(self._database)!r}, table={self._schema.name!r})"

    def _find(self, token: TokenRecord) -> TokenRecord | None:
        self._prepare()
        return self._database.autocommit(lambda session: self._tokens.find(session, token))

    def _save(self, tokens: Sequence[TokenRecord]) -> list[str]:
        self._prepare()
        if len(tokens) == 1 and (key := self._save_alone(tokens[0])):
            return [key]
        return self._database.write(lambda session: self._tokens.save(session, tokens))

    def _save_alone(self, token: TokenRecord) -> str | None:
        """Save a token with one statement, which most are; return its id, or ``None``."""
        return self._database.autocommit(
            lambda session: self._tokens.refresh(session, token)
        ) or self._database.write_one(lambda session: self._tokens.upsert(session, token))

    def _delete(self, key: str) -> None:
        self._prepare()
        self._database.write(lambda session: self._tokens.delete(session, key))

    def _delete_all(self) -> None:
        self._prepare()
        self._database.write(self._tokens.delete_all)

    def _all(self) -> Iterator[TokenRecord]:
        self._prepare()
        page = self._page(None)
        while page:
            yield from page
            page = self._page(page[-1].id)

    def _page(self, after: str | None) -> list[TokenRecord]:
        return self._database.autocommit(lambda session: self._tokens.page(session, after))

    def _prepare(self) -> None:
        """Check the schema once, and set up an empty database."""
        if self._ready:
            return
        with self._setting_up:
            if not self._database.autocommit(
                lambda session: self._schema.ready(session.connection(), create=self._create)
            ):
                from zoho_tokenstore import migrate  # noqa: PLC0415 - Alembic, rarely needed

                migrate.upgrade(self._database, self._schema)
            self._ready = True
