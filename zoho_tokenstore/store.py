"""``SQLAlchemyTokenStore``: the SDKs' contracts on an SQL database."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, Self

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import ClockSkew
from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import DatabaseError, DecryptionError
from zoho_tokenstore.pickling import PickledByArguments
from zoho_tokenstore.policy import RefreshPolicy, TokenPolicy, checked_retention
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.inflight import RefreshClaim
from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.sdk import SDKName, SDKTokenStore
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.claimed_saves import save_claimed
from zoho_tokenstore.storage.leases import SharedLeases
from zoho_tokenstore.storage.maintenance import iter_records
from zoho_tokenstore.storage.opening import OpenedTables
from zoho_tokenstore.storage.queries import TokenQueries
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.access_token import AccessToken, refused_token
from zoho_tokenstore.tokens.matching import storable
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tracebacks import hides_frames
from zoho_tokenstore.zoho.access_tokens import AccessTokens
from zoho_tokenstore.zoho.datacenters import checked_endpoint

__all__ = ["SQLAlchemyTokenStore"]

log: Final = logging.getLogger("zoho_tokenstore")


class SQLAlchemyTokenStore(PickledByArguments, SDKTokenStore):
    """Store the SDK's OAuth tokens in any database that SQLAlchemy supports.

    Pass it as ``store=`` to the SDK's ``Initializer.initialize``. One object serves all users and
    threads of a process, and any number of processes may share the database. The first use opens
    the database, and sets up an empty one.

    Args:
        database: A database URL (text or SQLAlchemy's ``URL``), or your own ``Engine``, which
            :meth:`close` leaves open.
        table: Name of the table.
        schema: Schema of the table, ``None`` for the connection's default.
        create: Whether the first use may set up an empty database. With ``False``, run
            ``zoho-tokenstore upgrade`` in the deployment.
        connections: How many connections to a URL this process may hold. Stores of one URL share
            them, and calls beyond their number wait. The pool of an engine has its own limit.
        keyring: Keys that encrypt secrets; without keys, secrets are stored readable.
        accept_readable: Whether a store with keys also serves readable tokens, while
            ``zoho-tokenstore keys encrypt`` encrypts them.
        missing_id: Result of a lookup by an unknown id: ``"none"`` returns ``None``, ``"raise"``
            raises the SDK's own error, as releases before 8-0 7.0.0 need.
        refresh: How refreshes are coordinated between all workers, ``None`` for not at all.
        policy: How long tokens may be served, ``None`` for as long as Zoho accepts them.
        audit: Whether changes of tokens are recorded in the audit table.
        audit_retention: How long entries of the audit table are kept, ``None`` for ever.
        accounts_url: The token endpoint for the store's own refreshes, such as
            ``https://accounts.zoho.eu/oauth/v2/token``; ``None`` for that of each token's data
            center.
        sdk: Package that the application imports, ``"zcrmsdk"`` or ``"zohocrmsdk"``; needed only
            where both are installed.

    Raises:
        ConfigurationError: The URL or a name is invalid, or ``sdk`` is missing.
        MissingDriverError: The database's driver is not installed.
    """

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
        audit_retention: timedelta | None = None,
        accounts_url: str | None = None,
        sdk: SDKName | None = None,
    ) -> None:
        """Prepare everything; open nothing."""
        super().__init__(missing_id=missing_id, sdk=sdk)
        self._schema = TokenSchema(table, schema)
        self._database = Database(database, create=create, connections=connections)
        self._skew = ClockSkew()
        tables = TokenTables(
            self._database,
            self._schema,
            keyring,
            policy,
            audits=audit,
            audit_retention=checked_retention(audit_retention),
            accept_readable=accept_readable,
        )
        self._opened = OpenedTables(tables, self._skew, create=create)
        leases = SharedLeases(self._database, tables.leases, self._skew)
        # Without a policy only the SDK's refreshes are not coordinated.
        coordinator = RefreshCoordinator(
            refresh or RefreshPolicy(), leases, digest=self._digest, on_refused=self._forget_refused
        )
        if refresh is not None:
            self._coordinate(coordinator, self._save_claimed)
        self.accounts_url = None if accounts_url is None else checked_endpoint(accounts_url)
        self._access_tokens = AccessTokens(
            coordinator, self._find_record, self._save_claimed, self.accounts_url
        )

    @classmethod
    @hides_frames
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Create a store from ``ZOHO_TOKENSTORE_URL`` and the other environment variables.

        Args:
            environ: Environment variables.
            options: Arguments of the constructor that have no variable, or override one.

        Raises:
            ConfigurationError: A variable is missing or invalid; the message names it.
        """
        settings = Settings.from_env(environ)
        names = settings.token_schema
        options = settings.store_options | options
        return cls(settings.url, table=names.name, schema=names.namespace, **options)

    def _pickled_options(self) -> dict[str, Any]:
        return {"database": self._database.url}  # a relative path may mean another file elsewhere

    @hides_frames
    def access_token(self, user_name: str, *, client_id: str | None = None) -> AccessToken:
        """Return a valid access token of a user, for calls without the SDK.

        It takes one lookup while the stored token is valid. When a refresh is due, one worker
        refreshes the token, here or in an SDK; the others wait, or continue with the valid token.

        Args:
            user_name: Name under which the user's token is stored.
            client_id: Client ID, for a user who has logged in with several clients.

        Raises:
            UnknownUserError: No token is stored for this user and client.
            AmbiguousTokenError: The user has tokens of several clients.
            LoginRequiredError: Zoho has refused the login, or there is no refresh token.
            RefreshError: The access token has expired and cannot be refreshed now.
            ConfigurationError: The accounts server is not known: pass ``accounts_url``.
            DatabaseError: The database failed.
        """
        return self._access_tokens.valid_token(user_name, client_id)

    @hides_frames
    def refresh_now(self, user_name: str, *, client_id: str | None = None) -> AccessToken:
        """Refresh a user's access token, even if it is valid or Zoho has refused the login.

        This is ``zoho-tokenstore refresh``. If Zoho refuses, the stored token stays.

        Args:
            user_name: As in :meth:`access_token`.
            client_id: As in :meth:`access_token`.

        Raises:
            TokenStoreError: As in :meth:`access_token`.
        """
        return self._access_tokens.new_token(user_name, client_id)

    @hides_frames
    def save_login(self, login: TokenRecord) -> None:
        """Store a login that was made without an SDK; see :class:`zoho_tokenstore.login.LoginFlow`.

        Raises:
            TokenStoreError: As in :meth:`save_token`.
        """
        (key,) = self._save_records([storable(login)])
        if login.refresh_token is None:
            self._warn_of_missing_refresh_token(key)

    @hides_frames
    def invalidate(self, access_token: AccessToken | str) -> None:
        """Mark an access token as refused by Zoho before its expiry.

        If it is still the stored one, the next lookup of any worker refreshes it, once. A token
        that is no longer stored changes nothing.

        Args:
            access_token: The token, or its text.

        Raises:
            TokenTypeError: The argument is neither.
            AmbiguousTokenError: More than one row has this text.
            DatabaseError: The database failed.
        """
        rows = self._opened.tables_to_write().tokens
        self._database.write(rows.invalidate_row, refused_token(access_token))

    def close(self) -> None:
        """Close the connections of all stores of this URL; their next use opens new ones."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Name the database, without its password, and the table."""
        return f"{type(self).__name__}({str(self._database)!r}, table={self._schema.name!r})"

    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        opened = self._opened
        tables = opened.tables if opened.is_ready else opened.set_up()
        found = self._database.read(tables.tokens.find_row, token)
        if tables.retention is not None:
            self._apply_policy(tables.retention, token, found)
        if found is None:
            return None
        if self._skew.is_outdated():
            opened.measure_skew()
        return self._skew.to_host(found) if self._skew.milliseconds else found

    def _apply_policy(
        self, retention: Retention, token: TokenRecord, found: TokenRecord | None
    ) -> None:
        """Record the use of a token, or delete what the policy does not allow to be served."""
        if found is None:
            if self._database.read(self._opened.tables.tokens.find_outdated_ids, token):
                self._database.write(self._delete_outdated, token)
        elif retention.is_use_due(found.id or ""):
            try:
                self._database.read(retention.record_use, found.id or "")
            except DatabaseError as error:  # the token is good all the same
                log.warning("the use of token %s could not be recorded: %s", found.id, error)

    def _delete_outdated(self, session: Session, token: TokenRecord) -> None:
        # Looked for again: the user may have logged in since.
        keys = self._opened.tables.tokens.find_outdated_ids(session, token)
        self._opened.tables.deletion.delete_ids(session, keys, "policy-expired")

    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        rows = self._opened.tables_to_write().tokens
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
        tables = self._opened.tables_to_write()
        return self._database.write(save_claimed, tables, self._skew, token, claim)

    def _is_outdated(self, token: TokenRecord, row: TokenRecord) -> bool:
        if token.refresh_token in (None, row.refresh_token):  # as it nearly always is
            return False
        return self._database.read(self._opened.tables.tokens.is_outdated, token, row)

    def _forget_refused(self, token: TokenRecord) -> None:
        self._database.write(self._opened.tables_to_write().tokens.forget_superseded, token)

    def _digest(self, purpose: str, *values: str) -> str:
        return self._opened.tables.codec.digest(purpose, *values)

    def _delete_record(self, key: str) -> bool:
        return self._database.write(self._opened.tables_to_write().deletion.delete_ids, [key]) > 0

    def _names_of_mail(self, mail: str) -> list[str]:
        return TokenQueries(self._database, self._schema.table).names_of_mail(mail)

    def _delete_all_records(self) -> None:
        self._database.write(self._opened.tables_to_write().deletion.delete_everything)

    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        opened = self._opened
        tables = opened.tables if opened.is_ready else opened.set_up()
        if tables.retention is not None:
            tables.deletion.delete_where(self._database, tables.retention.outdated_now())
        return map(self._skew.to_host, iter_records(self._database, tables.tokens, on_error))
