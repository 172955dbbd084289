"""``SQLAlchemyTokenStore``: the SDKs' contracts on an SQL database."""

import logging
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, Self

from sqlalchemy import URL, Engine, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import ClockSkew, epoch_milliseconds
from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseError,
    DecryptionError,
    SchemaOlderError,
)
from zoho_tokenstore.policy import RefreshPolicy, TokenPolicy
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.inflight import RefreshClaim
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.sdk import SDKName, SDKTokenStore
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.claimed_saves import save_claimed
from zoho_tokenstore.storage.leases import SharedLeases
from zoho_tokenstore.storage.maintenance import iter_records
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tracebacks import hides_frames

__all__ = ["SQLAlchemyTokenStore"]

log: Final = logging.getLogger("zoho_tokenstore")


class SQLAlchemyTokenStore(SDKTokenStore):
    """Store the SDK's OAuth tokens in any database that SQLAlchemy supports.

    Pass it as ``store=`` to the SDK's ``Initializer.initialize``. One object serves all users and
    threads of a process, and any number of processes may share the database. The first use opens
    the database, and sets up an empty one.

    Args:
        database: A database URL (text or SQLAlchemy's ``URL``), or an ``Engine`` that stays yours:
            :meth:`close` leaves it open.
        table: Name of the table.
        schema: Schema of the table, ``None`` for the connection's default.
        create: Whether the first use may set up an empty database. With ``False``, run
            ``zoho-tokenstore upgrade`` in the deployment.
        connections: How many connections to a URL this process may hold. Stores of one URL share
            them, and calls beyond their number wait. The pool of an engine has its own limit.
        keyring: Keys that encrypt secrets; without them secrets are stored readable.
        accept_readable: Whether tokens that are stored readable are served although there are
            keys, while ``zoho-tokenstore keys encrypt`` encrypts them.
        missing_id: Result of a lookup by an unknown id: ``"none"`` returns ``None``, ``"raise"``
            raises the SDK's own error, as releases before 8-0 7.0.0 need.
        refresh: How refreshes are coordinated between all workers, ``None`` for not at all.
        policy: How long tokens may be served, ``None`` for as long as Zoho accepts them.
        audit: Whether changes of tokens are recorded in the audit table.
        sdk: Package that the application imports, ``"zcrmsdk"`` or ``"zohocrmsdk"``; needed only
            where both are installed.

    Raises:
        ConfigurationError: The URL or a name is invalid, or ``sdk`` is missing.
        MissingDriverError: The database's driver is not installed.
        MissingSDKError: No Zoho CRM SDK is installed.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Remember the arguments, by which a store is copied and pickled."""
        self = super().__new__(cls)
        self._arguments = (args, options)
        return self

    @hides_frames
    def __init__(  # noqa: PLR0913 - what can be set, by name
        self,
        database: str | URL | Engine,
        *,
        table: str = DEFAULT_TABLE,
        schema: str | None = None,
        create: bool = True,
        connections: int = DEFAULT_CONNECTIONS,
        keyring: Keyring | None = None,
        accept_readable: bool = False,
        missing_id: Literal["none", "raise"] = "none",
        refresh: RefreshPolicy | None = RefreshPolicy(),
        policy: TokenPolicy | None = None,
        audit: bool = True,
        sdk: SDKName | None = None,
    ) -> None:
        """Prepare everything; open nothing."""
        super().__init__(missing_id=missing_id, sdk=sdk)
        self._schema = TokenSchema(table, schema)
        self._database = Database(database, create=create, connections=connections)
        self._create = create
        self._skew = ClockSkew()
        self._tables = TokenTables(
            self._database,
            self._schema,
            _checked_keyring(keyring),
            policy,
            audits=audit,
            accept_readable=accept_readable,
        )
        if refresh is not None:
            leases = SharedLeases(self._database, self._tables.leases, self._skew)
            self._coordinate(
                RefreshCoordinator(refresh, leases, digest=self._digest), self._save_claimed
            )
        self._ready = False
        self._replaced = 0
        self._setting_up = threading.Lock()

    @classmethod
    @hides_frames
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Make the store of ``ZOHO_TOKENSTORE_URL``, ``_TABLE``, ``_SCHEMA``, ``_KEYS`` and so on.

        Args:
            environ: The environment.
            options: The constructor's other arguments.

        Raises:
            ConfigurationError: A variable is missing or invalid; the error names it.
        """
        settings = Settings.from_env(environ)
        names = settings.token_schema
        own = ("keyring", "audit", "accept_readable", "connections")
        options = {name: getattr(settings, name) for name in own} | options
        return cls(settings.url, table=names.name, schema=names.namespace, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the arguments: the copy has connections of its own process.

        A pickle holds the URL with its password, and the keys of a keyring made from text.

        Raises:
            TypeError: The store has an engine, or another argument that cannot be pickled.
        """
        args, options = self._arguments
        if isinstance(args[0] if args else options["database"], Engine):
            raise TypeError("a store on an Engine cannot be pickled or copied: pass a database URL")
        # The URL in use, because a relative path may mean another file elsewhere.
        options = options | {"database": self._database.url}
        for name, value in options.items():
            try:
                pickle.dumps(value)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise TypeError(
                    f"the store cannot be pickled or copied, because its {name} cannot: give it "
                    "functions of a module instead of local ones"
                ) from error
        return partial(type(self), **options), ()

    def close(self) -> None:
        """Close the connections of all stores of this URL; their next use opens new ones."""
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

    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        tables = self._tables if self._ready else self._set_up()
        found = self._database.read(tables.tokens.find_row, token)
        if tables.retention is not None:
            self._apply_policy(tables.retention, token, found)
        if found is not None and self._skew.milliseconds:
            return self._skew.to_host(found)
        return found

    def _apply_policy(
        self, retention: Retention, token: TokenRecord, found: TokenRecord | None
    ) -> None:
        """Record the use of a token, or delete what the policy does not allow to be served."""
        if found is None:
            if self._database.read(self._tables.tokens.find_outdated_ids, token):
                self._database.write(self._delete_outdated, token)
        elif retention.is_use_due(found.id or ""):
            try:
                self._database.read(retention.record_use, found.id or "")
            except DatabaseError as error:  # the token is good all the same
                log.warning("the use of token %s could not be recorded: %s", found.id, error)

    def _delete_outdated(self, session: Session, token: TokenRecord) -> None:
        # Looked for again: the user may have logged in since.
        keys = self._tables.tokens.find_outdated_ids(session, token)
        self._tables.deletion.delete_ids(session, keys, "policy-expired")

    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        rows = self._tables_to_write().tokens
        if self._skew.milliseconds:
            tokens = list(map(self._skew.to_database, tokens))
        if len(tokens) != 1:
            return self._database.write(rows.save_rows, tokens)
        if not rows.refreshes_in_one_statement:
            return [self._database.write(rows.save_row, tokens[0])]
        key = self._database.read(rows.refresh_row, tokens[0])
        return [self._database.write(rows.upsert_row, tokens[0]) if key is None else key]

    def _save_claimed(
        self, token: TokenRecord, claim: RefreshClaim
    ) -> tuple[str, TokenRecord | None]:
        return self._database.write(save_claimed, self._tables_to_write(), self._skew, token, claim)

    def _digest(self, purpose: str, *values: str) -> str:
        return self._tables.codec.digest(purpose, *values)

    def _delete_record(self, key: str) -> None:
        self._database.write(self._tables_to_write().deletion.delete_ids, [key])

    def _delete_all_records(self) -> None:
        self._database.write(self._tables_to_write().deletion.delete_everything)

    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        tables = self._tables if self._ready else self._set_up()
        if tables.retention is not None:
            tables.deletion.delete_where(self._database, tables.retention.outdated_now())
        return map(self._skew.to_host, iter_records(self._database, tables.tokens, on_error))

    def _tables_to_write(self) -> TokenTables:
        """Open the tables, anew if the database file is another one than before."""
        replaced = self._database.notice_replacement()
        if replaced != self._replaced:
            with self._setting_up:
                if replaced != self._replaced:  # no other thread has seen it
                    self._replaced = replaced
                    self._tables = replace(self._tables)  # its keys may be others
                    self._ready = False
        return self._tables if self._ready else self._set_up()

    def _set_up(self) -> TokenTables:
        """Check the schema, set up an empty database, and open the tables, once."""
        with self._setting_up:
            if self._ready:
                return self._tables
            if not self._is_current():
                from zoho_tokenstore.schema import migrations  # noqa: PLC0415 - Alembic, rarely needed

                migrations.set_up(self._database, self._schema)
            self._skew.measure(self._database.read(_database_time))
            _ = self._tables.tokens  # opens the keys
            self._tables.warn_about_readable_secrets()
            self._ready = True
        return self._tables

    def _is_current(self) -> bool:
        try:
            return self._database.read(
                lambda session: self._schema.ready(session.connection(), create=self._create)
            )
        except SchemaOlderError:
            if not self._create:
                raise
            return False  # another worker may be setting it up, step by step, at this moment


def _database_time(session: Session) -> int:
    return session.scalar(select(epoch_milliseconds())) or 0


def _checked_keyring(keyring: object) -> Keyring | None:
    if keyring is None or isinstance(keyring, Keyring):
        return keyring
    raise ConfigurationError(
        f"keyring is not a Keyring but {type(keyring).__name__}: create it with "
        "Keyring.from_text(…), from_file(…) or from_callable(…)"
    )
