"""``SQLAlchemyTokenStore``: the SDK's contract on an SQL database."""

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self

from sqlalchemy import URL, Engine, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import epoch_milliseconds
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.database.skew import ClockSkew
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseError,
    DecryptionError,
    ReadableSecretsWarning,
    SchemaOlderError,
)
from zoho_tokenstore.policy import RefreshPolicy, TokenPolicy
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.inflight import RefreshClaim, credential_digest
from zoho_tokenstore.refresh.lease import is_late, lease_after_login, settle_lease
from zoho_tokenstore.schema.models import DEFAULT_TABLE, lease_table
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.sdk import SDKName, SDKTokenStore
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.audit import AuditLog
from zoho_tokenstore.storage.keys import open_codec
from zoho_tokenstore.storage.leases import LeaseTable, SharedLeases
from zoho_tokenstore.storage.maintenance import Removal
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.scan import every_token
from zoho_tokenstore.storage.tokens import TokenTable
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["SQLAlchemyTokenStore"]

log: Final = logging.getLogger("zoho_tokenstore")


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
        keyring: The keys that secrets are encrypted with; without them they are stored readable.
        missing_id: What a lookup by id does about an unknown id: ``"none"`` returns ``None``,
            ``"raise"`` raises the SDK's own error, as releases before 8-0 7.0.0 need.
        refresh: How refreshes are coordinated between all workers; ``None`` leaves each SDK to
            itself.
        policy: How long tokens may be served; they are as long as Zoho takes them without one.
        audit: Whether it is noted, in the table beside the tokens', what happens to them.
        sdk: The package that the application imports, ``"zcrmsdk"`` or ``"zohocrmsdk"``; needed
            only where both are installed.

    Raises:
        ConfigurationError: The URL or a name cannot be used, or ``sdk`` has to be given.
        MissingDriverError: The database's driver is not installed.
        MissingSDKError: No Zoho CRM SDK is installed.
    """

    def __init__(  # noqa: PLR0913 - what can be set, by name
        self,
        database: str | URL | Engine,
        *,
        table: str = DEFAULT_TABLE,
        schema: str | None = None,
        create: bool = True,
        keyring: Keyring | None = None,
        missing_id: Literal["none", "raise"] = "none",
        refresh: RefreshPolicy | None = RefreshPolicy(),
        policy: TokenPolicy | None = None,
        audit: bool = True,
        sdk: SDKName | None = None,
    ) -> None:
        """Prepare everything; open nothing."""
        super().__init__(missing_id=missing_id, sdk=sdk)
        self._schema = TokenSchema(table, schema)
        self._database = Database(database, create=create)
        self._keyring = _checked(keyring)
        self._skew = ClockSkew()
        self._leases = LeaseTable(lease_table(self._schema.table))
        if refresh is not None:
            leases = SharedLeases(self._database, self._leases, self._skew)
            self._coordinate(
                RefreshCoordinator(refresh, leases, digest=self._digest), self._save_claimed
            )
        self._create = create
        self._audit = AuditLog(self._schema.table, enabled=audit)
        self._retention = Retention(self._schema.table, policy)
        self._tokens: TokenTable
        self._removal: Removal
        self._ready = False
        self._setting_up = threading.Lock()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:  # noqa: ANN401 - passed on
        """Make the store that ``ZOHO_TOKENSTORE_URL`` and its like describe.

        They are ``_URL``, ``_TABLE``, ``_SCHEMA``, ``_KEYS`` or ``_KEYS_FILE``, and ``_AUDIT``.

        Args:
            environ: The environment.
            options: The constructor's other arguments.

        Raises:
            ConfigurationError: A variable is missing or cannot be used; the error names it.
        """
        try:
            settings = Settings.from_env(environ)
        except ConfigurationError as error:
            environ = {}  # whatever shows a traceback's local variables would show the keys
            raise error.with_traceback(None) from None
        names = settings.token_schema
        options = {"keyring": settings.keyring, "audit": settings.audit} | options
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

    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        self._prepare()
        found = self._database.read(lambda session: self._tokens.find(session, token))
        if found is None:
            if self._retention:
                self._remove_outdated(token)
            return None
        if self._retention.is_use_due(found.id or ""):
            self._note_use(found.id or "")
        return self._skew.to_host(found)

    def _remove_outdated(self, token: TokenRecord) -> None:
        """Remove what the policy does not let be served any more, if that is what was asked for."""
        find = self._tokens.find_outdated
        if self._database.read(lambda session: find(session, token)):
            self._database.write(
                # Looked for again: somebody may have logged in meanwhile.
                lambda session: self._removal.remove(
                    session, find(session, token), "policy-expired"
                )
            )

    def _note_use(self, key: str) -> None:
        try:
            self._database.read(lambda session: self._retention.note_use(session, key))
        except DatabaseError as error:  # the token is good all the same
            log.warning("the use of token %s could not be noted: %s", key, error)

    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        self._prepare()
        tokens = [self._skew.to_database(token) for token in tokens]
        if len(tokens) == 1 and (key := self._save_alone(tokens[0])):
            return [key]
        return self._database.write(lambda session: self._tokens.save(session, tokens))

    def _save_alone(self, token: TokenRecord) -> str | None:
        """Save a token without reading first, as most can be; return its id, or ``None``."""
        refresh, upsert = self._tokens.refresh, self._tokens.upsert
        if not self._tokens.refreshes_at_once:
            return self._database.write(
                lambda session: refresh(session, token) or upsert(session, token)
            )
        key = self._database.read(lambda session: refresh(session, token))
        if key is None:
            key = self._database.write(lambda session: upsert(session, token))
        return key

    def _save_claimed(
        self, token: TokenRecord, claim: RefreshClaim
    ) -> tuple[str, TokenRecord | None]:
        """Save a refreshed token, and settle its claim; see :class:`SDKRefreshes`."""
        stored = self._skew.to_database(token)

        def work(session: Session) -> tuple[str, TokenRecord | None]:
            newer = None
            if not self._settle_unchanged_lease(session, claim):
                newer = self._find_newer(session, token, stored, claim)
            if newer is not None:
                return newer.id or "", newer
            key = self._tokens.refresh(session, stored)
            if key is None:
                (key,) = self._tokens.save(session, [stored])
            if claim.is_login:
                self._leases.delete(session, claim.key)
                self._record_login(session, key, stored, claim)
            return key, None

        return self._database.write(work)

    def _settle_unchanged_lease(self, session: Session, claim: RefreshClaim) -> bool:
        """Settle the lease of a refresh without reading it, unless it has changed since."""
        settled = None if claim.is_login else settle_lease(claim.lease, claim.owner)
        return settled is not None and self._leases.write(session, claim.key, settled)

    def _find_newer(
        self, session: Session, token: TokenRecord, stored: TokenRecord, claim: RefreshClaim
    ) -> TokenRecord | None:
        """Settle a lease that has changed; return the row that must not be overwritten."""
        lease, _ = self._leases.read(session, claim.key)
        if not is_late(lease, claim.owner):
            if not claim.is_login and (settled := settle_lease(lease, claim.owner)):
                self._leases.write(session, claim.key, settled)
            return None
        row = self._tokens.find(session, TokenRecord(id=token.id) if token.id else token)
        if row is None or claim.is_needed_by(row):
            return None
        return self._skew.to_host(row) if claim.has_changed(row, stored) else token.with_id(row.id)

    def _record_login(
        self, session: Session, key: str, token: TokenRecord, claim: RefreshClaim
    ) -> None:
        """Count the access token of a login, so that it is not refreshed early at once."""
        row = digest("id", key)
        lease, now = self._leases.read(session, row)
        credential = credential_digest(token, self._digest)
        self._leases.write(
            session, row, lease_after_login(lease, now, owner=claim.owner, credential=credential)
        )

    def _digest(self, purpose: str, *values: str) -> str:
        return self._tokens.codec.digest(purpose, *values)

    def _delete_record(self, key: str) -> None:
        self._prepare()
        self._database.write(lambda session: self._removal.remove(session, [key]))

    def _delete_all_records(self) -> None:
        self._prepare()
        self._database.write(self._removal.remove_all)

    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        self._prepare()
        if self._retention:
            self._removal.purge(self._database, self._retention.outdated_now())
        return map(self._skew.to_host, every_token(self._database, self._tokens, on_error))

    def _prepare(self) -> None:
        """Check the schema once, and set up an empty database."""
        if self._ready:
            return
        with self._setting_up:
            if not self._is_set_up():
                from zoho_tokenstore.schema import migrations  # noqa: PLC0415 - Alembic, rarely needed

                migrations.set_up(self._database, self._schema)
            self._database.read(self._compare_clocks)
            table = self._schema.table
            codec = open_codec(self._database, table, self._keyring)
            backend = self._database.url.get_backend_name()
            self._tokens = TokenTable(
                table, backend, codec, audit=self._audit, retention=self._retention
            )
            self._removal = Removal(self._tokens, self._leases)
            if self._keyring is None:
                _warn_of_readable_secrets()
            self._ready = True

    def _compare_clocks(self, session: Session) -> None:
        self._skew.measure(session.scalar(select(epoch_milliseconds())) or 0)

    def _is_set_up(self) -> bool:
        try:
            return self._database.read(
                lambda session: self._schema.ready(session.connection(), create=self._create)
            )
        except SchemaOlderError:
            if not self._create:
                raise
            return False  # or is somebody setting it up, step by step, at this moment?


def _checked(keyring: object) -> Keyring | None:
    if keyring is None or isinstance(keyring, Keyring):
        return keyring
    raise ConfigurationError(
        f"keyring must be a Keyring, not {type(keyring).__name__}: make it with "
        "Keyring.from_text(…), from_file(…) or from_callable(…)"
    )


def _warn_of_readable_secrets() -> None:
    warnings.warn(
        "tokens and client secrets are stored readable: make a key with 'zoho-tokenstore keys "
        "generate' and pass keyring=Keyring.from_text(…), or set ZOHO_TOKENSTORE_KEYS",
        ReadableSecretsWarning,
        stacklevel=2,
    )
