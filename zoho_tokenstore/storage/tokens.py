"""The token table: one row found, saved or refreshed, in a session that the caller opened."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Table, bindparam, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.compiled import CompiledStatement, fetch_all, row_count
from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.schema.models import UtcDateTime
from zoho_tokenstore.storage.audit import AuditLog, Event
from zoho_tokenstore.storage.batches import AddToken, Batches
from zoho_tokenstore.storage.keys import TableKeys
from zoho_tokenstore.storage.limits import encoder_of
from zoho_tokenstore.storage.lookups import Lookup, LookupStatements, find_despite
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.storage.statements import (
    forgetting_update,
    refreshed_columns,
    refreshing_update,
    sealing_insert,
    upsert_statement,
)
from zoho_tokenstore.tokens.batch_plan import BatchPlan
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.matching import Rule, find_one, rule_of
from zoho_tokenstore.tokens.record import EXPIRED, SECRET_FIELDS, TokenRecord
from zoho_tokenstore.tokens.save_plan import new_id
from zoho_tokenstore.tokens.succession import is_outdated

__all__ = ["TokenTable"]


class TokenTable:
    """The statements of one token table.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.token_table`.
        backend: The kind of database.
        keys: The keyring on this table.
        audit: Audit log for writes.
        retention: Which rows may be served; all of them without it.

    Attributes:
        codec: Encodes records and decodes rows.
        refreshes_in_one_statement: Whether :meth:`refresh_row` is one statement, the audit's entry
            included.
    """

    def __init__(
        self,
        table: Table,
        backend: Backend,
        keys: TableKeys,
        audit: AuditLog,
        retention: Retention | None,
    ) -> None:
        """Build the statements once; SQLAlchemy compiles each once per dialect."""
        self.codec = codec = keys.codec
        self._text_bytes = backend.text_bytes
        self._encode = encoder_of(codec, backend)
        self._keys = keys
        self._audit = audit
        self._retention = retention
        self._lookups = LookupStatements(
            table, codec, packs_rows=backend.packs_rows, retention=retention
        )
        change = refreshing_update(table, backend, sealed=codec.encrypts)
        self._refreshed = refreshed_columns(sealed=codec.encrypts)
        self._audits_in_cte = audit.enabled and backend.writes_in_cte
        self._refresh = CompiledStatement(
            audit.with_entry(change) if self._audits_in_cte else change, row_count
        )
        self.refreshes_in_one_statement = self._audits_in_cte or not audit.enabled
        # A sealed row that is updated keeps its id, which its seal has to be bound to.
        upsert = sealing_insert(table) if codec.encrypts else upsert_statement(table, backend)
        # The row's id, and whether it is new. Which of the two is run depends on the database.
        saved = table.c.id, table.c.created_at == bindparam("created_at", type_=UtcDateTime)
        by_identity = select(*saved).where(table.c.identity_digest == bindparam("identity_digest"))
        self._saved = CompiledStatement(by_identity, fetch_all)
        self._upsert = self._upsert_returning = None
        if upsert is not None:
            self._upsert = CompiledStatement(upsert, row_count)
            self._upsert_returning = CompiledStatement(upsert.returning(*saved), fetch_all)
        self._superseded = select(table.c.superseded_digest).where(
            table.c.id_digest == bindparam("key")
        )
        self._forget = forgetting_update(table)
        self._batches = Batches(table, backend, keys, audit)

    def find_row(self, session: Session, token: TokenRecord) -> TokenRecord | None:
        """Return the row that the token refers to, by the first rule that applies.

        Raises:
            AmbiguousTokenError: More than one row fits.
            EncryptionError: A row that fits cannot be read.
        """
        rule = rule_of(token)
        if rule is None:
            return None
        is_secret = rule.field in SECRET_FIELDS  # names are found without the index key
        index = self._keys.index_digest if is_secret else None
        found: Sequence[Sequence[Any]] = ()
        for lookup in self._lookups.by_field[rule.field]:
            parameters = self._parameters(rule, token, lookup)
            found = lookup.found.run(session.connection(), parameters)
            if found:
                break
        if not found and is_secret:
            self._keys.check_open(session)  # another worker may have changed the keys
            if self._keys.index_digest != index:
                return self.find_row(session, token)
        if self._lookups.unpack is not None:
            found = list(map(self._lookups.unpack, found))
        try:
            return find_one(rule, token, map(self.codec.decode_row, found))
        except DecryptionError:
            return find_despite(rule, token, found, self.codec)

    def is_outdated(self, session: Session, token: TokenRecord, row: TokenRecord) -> bool:
        """Return whether a token has a refresh token that its row has superseded."""
        superseded = session.scalar(self._superseded, {"key": digest("id", row.id or "")})
        return is_outdated(token, row, superseded, self.codec.superseded_digest)

    def forget_superseded(self, session: Session, refused: TokenRecord) -> None:
        """Forget what a row has superseded, if its login is still the one that Zoho has refused.

        A worker that has the earlier refresh token, which may be good, may then put it back.
        """
        parameters = {
            "row_digest": digest("id", refused.id or ""),
            "refused": self.codec.digest("refresh_token", refused.refresh_token or ""),
        }
        session.connection().execute(self._forget, parameters)

    def find_outdated_ids(self, session: Session, token: TokenRecord) -> list[str]:
        """Return the ids of the rows that would be found if they were not too old."""
        rule = rule_of(token)
        if rule is None or self._retention is None:
            return []
        rows = [
            self.codec.decode_row(row)
            for lookup in self._lookups.by_field[rule.field]
            if lookup.outdated is not None
            for row in session.execute(lookup.outdated, self._parameters(rule, token, lookup))
        ]
        return [row.id for row in rows if row.id is not None and rule.fits(token, row)]

    def _parameters(self, rule: Rule, token: TokenRecord, lookup: Lookup) -> dict[str, Any]:
        parameters = self._retention.parameters() if self._retention is not None else {}
        # No variable holds a secret: a tool that shows a traceback's local variables would show it.
        for name, make in lookup.digests:
            parameters[name] = make(rule.field, getattr(token, rule.field))
        return parameters

    def read_page(self, session: Session, after: str | None) -> Sequence[Row[Any]]:
        """Return the next rows in the order of their keys, at most :data:`PAGE_SIZE`.

        The last value of each is its key; the others are for :meth:`RowCodec.decode_row`.

        Args:
            session: Where to read.
            after: The key of the last row seen, ``None`` for the first page.
        """
        limits = self._retention.parameters() if self._retention is not None else {}
        if after is None:
            return session.execute(self._lookups.first_page, limits).all()
        return session.execute(self._lookups.next_page, {"after": after} | limits).all()

    def read_rows(self, session: Session, keys: Sequence[str]) -> Sequence[Row[Any]]:
        """Return the rows with these ids as :meth:`read_page` does; a page of them at most."""
        digests = [digest("id", key) for key in keys]
        return session.execute(self._lookups.by_keys, {"keys": digests}).all()

    def check_length(self, row: TokenRecord) -> None:
        """Check that a row fits into its columns.

        Raises:
            InvalidTokenError: A text is too long for this database.
        """
        if self._text_bytes is not None:
            self._encode(row, self.codec.digest)

    def save_rows(
        self,
        session: Session,
        tokens: Sequence[TokenRecord],
        event: Event | None = None,
        add: AddToken = BatchPlan.add_token,
    ) -> list[str]:
        """Insert or update the rows that the tokens refer to; see :meth:`Batches.save_batch`."""
        return self._batches.save_batch(session, tokens, event, add)

    def save_row(self, session: Session, token: TokenRecord) -> str:
        """Insert or update the row that one token refers to, without reading first if possible.

        Returns:
            The row's id.

        Raises:
            AmbiguousTokenError: More than one row fits.
            IdConflictError: The token's id belongs to another row.
            EncryptionError: One of the rows concerned cannot be read.
        """
        return self.refresh_row(session, token) or self.upsert_row(session, token)

    def upsert_row(self, session: Session, token: TokenRecord) -> str:
        """Save a token as :meth:`save_row` does, when :meth:`refresh_row` did not."""
        key = self._upsert_alone(session, token)
        return self._batches.save_batch(session, [token])[0] if key is None else key

    def refresh_row(self, session: Session, token: TokenRecord) -> str | None:
        """Update the row of a token that was read from here and has been refreshed since.

        Its user, client, grant and refresh token are unchanged, so the owner is certain and no
        other row can be concerned. A sealed row is replaced only by all that it has.

        Returns:
            The row's id, or ``None`` when nothing was changed because it is another case.
        """
        codec = self.codec
        if not (token.id and token.user_name):
            return None
        if codec.encrypts and not (codec.may_seal and token.client_secret):
            return None
        # The parameters before the digests: another thread may learn another index key.
        parameters: dict[str, Any] = {**codec.save_parameters}
        values = self._encode(token, codec.digest)
        values["updated_at"] = datetime.now(UTC)
        parameters |= {f"new_{name}": values[name] for name in self._refreshed}
        if self._audits_in_cte:
            parameters |= self._audit.entry_parameters("refreshed", values)
        if not self._refresh.run(session.connection(), parameters):
            return None
        if not self._audits_in_cte:
            self._audit.append_entry(session, "refreshed", values)
        return token.id

    def invalidate_row(self, session: Session, token: TokenRecord) -> None:
        """Make a row's access token expired, if it still has this one.

        Args:
            session: A transaction.
            token: The access token, and the user and client if they are known.
        """
        found = self.find_row(session, token)
        if found is None:
            return
        # Locked and read again: a refresh in between must not be undone.
        keys = {"keys": [digest("id", found.id or "")]}
        locked = session.execute(self._lookups.by_keys.with_for_update(), keys).all()
        rows = [self.codec.decode_row(row) for row in locked]
        if [row.access_token for row in rows] == [token.access_token]:
            self.save_rows(session, [rows[0]._replace(expiry=EXPIRED)], "invalidated")

    def _upsert_alone(self, session: Session, token: TokenRecord) -> str | None:
        """Insert a token, or update the row of the same user or login, if no other is concerned.

        A sealed row is only inserted.

        Returns:
            The row's id, or ``None`` when nothing was changed because the rules have to decide.
        """
        if self._upsert is None or self._upsert_returning is None:
            return None
        connection = session.connection()
        now = datetime.now(UTC)
        row = token if token.id else token.with_id(new_id())
        # In this order, as in refresh_row().
        values: dict[str, Any] = self.codec.save_parameters | self._encode(row, self.codec.digest)
        values |= {"created_at": now, "updated_at": now}
        if connection.dialect.insert_returning:
            saved = self._upsert_returning.run(connection, values)
        elif self._upsert.run(connection, values):
            saved = self._saved.run(connection, values)
        else:
            return None
        if not saved:
            return None
        ((key, is_new),) = saved
        values["id"] = key
        self._audit.append_entry(session, "created" if is_new else "refreshed", values)
        return str(key)
