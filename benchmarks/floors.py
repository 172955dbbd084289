"""The lower bounds: bare drivers, and SQLAlchemy Core.

A save is as durable as the store's: one transaction with an entry in the audit table.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Any, Final

from sqlalchemy import Table, bindparam, create_engine, insert, select

from benchmarks.data import UNKNOWN, record, user_name
from benchmarks.drivers import connect_of
from benchmarks.opened import Opened, Place
from zoho_tokenstore.database.connections import DEFAULT_CONNECTIONS
from zoho_tokenstore.encryption.codec import ReadableCodec
from zoho_tokenstore.schema.models import CREDENTIAL_LENGTH, companion_table, token_table
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import FIELDS

__all__ = ["TABLE", "BareDriver", "Core", "insert_into", "plain", "row_of"]

TABLE: Final = token_table()
AUDIT: Final = companion_table(TABLE, "audit")
REFRESH_TOKEN: Final = FIELDS.index("refresh_token")


class Floor(Opened):
    """The statements that our store would send, with the digests worked out before."""

    def find_by(self, column: str, key: str) -> Any:
        """Select the row with a digest."""
        raise NotImplementedError

    def finding(self, number: int) -> Callable[[], Any]:
        """One SELECT."""
        return partial(self.find_by, "user_digest", digest("user_name", user_name(number)))

    def finding_by_id(self, number: int) -> Callable[[], Any]:
        """One SELECT."""
        return partial(self.find_by, "id_digest", id_digest(number))

    def finding_by_refresh_token(self, number: int) -> Callable[[], Any]:
        """One SELECT."""
        key = digest("refresh_token", record(number).refresh_token or "")
        return partial(self.find_by, "refresh_digest", key)

    def is_right(self, found: Any, number: int) -> bool:
        """Compare the refresh token."""
        if number == UNKNOWN or found is None:
            return found is None and number == UNKNOWN
        return bool(found[REFRESH_TOKEN] == record(number).refresh_token)


class BareDriver(Floor):
    """One open connection in autocommit."""

    def __init__(self, place: Place) -> None:
        """Connect, and write the statements."""
        connect, value = connect_of(place.url)
        self._connection = connect()
        self._begin = "BEGIN IMMEDIATE" if place.database == "sqlite" else "BEGIN"
        self._all = f"SELECT {', '.join(FIELDS)} FROM oauthtoken"
        self._find = {
            name: f"{self._all} WHERE {name} = {value}"
            for name in ("user_digest", "id_digest", "refresh_digest")
        }
        self._insert = insert_into(TABLE, value)
        self._audit = insert_into(AUDIT, value)
        self._delete = f"DELETE FROM oauthtoken WHERE id_digest = {value}"
        self._update = (
            f"UPDATE oauthtoken SET access_token = {value}, access_digest = {value}, "
            f"updated_at = {value} WHERE id_digest = {value}"
        )

    def _run(self, statement: str, *values: Any) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        return cursor

    def find_by(self, column: str, key: str) -> Any:
        """Run the statement."""
        return self._run(self._find[column], key).fetchone()

    def updating(self, number: int) -> Callable[[str], None]:
        """One UPDATE, and one INSERT."""
        key = id_digest(number)

        def save(access_token: str) -> None:
            access_digest = digest("access_token", access_token)
            self._run(self._begin)
            self._run(self._update, access_token, access_digest, plain(datetime.now(UTC)), key)
            self._append_entry(number, "refreshed", access_digest)
            self._run("COMMIT")

        return save

    def save_new(self, number: int) -> None:
        """Two INSERTs."""
        values = row_of(number)
        self._run(self._begin)
        self._run(self._insert, *(plain(values[column.name]) for column in TABLE.columns))
        self._append_entry(number, "created", values["access_digest"])
        self._run("COMMIT")

    def _append_entry(self, number: int, event: str, access_digest: str) -> None:
        entry = entry_of(number, event, access_digest)
        self._run(self._audit, *(plain(entry[column.name]) for column in AUDIT.columns))

    def forget(self, number: int) -> None:
        """One DELETE."""
        self._run(self._delete, id_digest(number))

    def get_all(self) -> int:
        """One SELECT."""
        return len(self._run(self._all).fetchall())

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


class Core(Floor):
    """A connection for each call, of a pool as large as ours, and statements built before."""

    def __init__(self, place: Place) -> None:
        """Make an engine."""
        limit = {"pool_size": DEFAULT_CONNECTIONS, "max_overflow": 0}
        self._engine = create_engine(place.url, isolation_level="AUTOCOMMIT", **limit)
        self._transactions = create_engine(place.url)
        self._all = select(*(TABLE.c[name] for name in FIELDS))
        self._find = {
            name: self._all.where(TABLE.c[name] == bindparam("key"))
            for name in ("user_digest", "id_digest", "refresh_digest")
        }
        row = TABLE.c.id_digest == bindparam("key")
        changed = ("access_token", "access_digest", "updated_at")
        self._update = (
            TABLE.update().where(row).values({name: bindparam(f"new_{name}") for name in changed})
        )
        self._delete = TABLE.delete().where(row)

    def find_by(self, column: str, key: str) -> Any:
        """Run the statement."""
        with self._engine.connect() as connection:
            return connection.execute(self._find[column], {"key": key}).first()

    def updating(self, number: int) -> Callable[[str], None]:
        """One UPDATE, and one INSERT."""
        key = id_digest(number)

        def save(access_token: str) -> None:
            access_digest = digest("access_token", access_token)
            values = {
                "key": key,
                "new_access_token": access_token,
                "new_access_digest": access_digest,
                "new_updated_at": datetime.now(UTC),
            }
            with self._transactions.begin() as connection:
                connection.execute(self._update, values)
                connection.execute(insert(AUDIT), entry_of(number, "refreshed", access_digest))

        return save

    def save_new(self, number: int) -> None:
        """Two INSERTs."""
        values = row_of(number)
        with self._transactions.begin() as connection:
            connection.execute(insert(TABLE), values)
            entry = entry_of(number, "created", values["access_digest"])
            connection.execute(insert(AUDIT), entry)

    def forget(self, number: int) -> None:
        """One DELETE."""
        with self._engine.connect() as connection:
            connection.execute(self._delete, {"key": id_digest(number)})

    def get_all(self) -> int:
        """One SELECT."""
        with self._engine.connect() as connection:
            return len(connection.execute(self._all).all())

    def close(self) -> None:
        """Close the pools."""
        self._engine.dispose()
        self._transactions.dispose()


def id_digest(number: int) -> str:
    """Return the digest of the id of a user's token."""
    return digest("id", record(number).id or "")


def row_of(number: int) -> dict[str, Any]:
    """Return all columns of a user's row."""
    now = datetime.now(UTC)
    absent = {column.name: None for column in TABLE.columns}
    values = ReadableCodec().encode_record(record(number), digest)
    return absent | values | {"created_at": now, "updated_at": now}


def entry_of(number: int, event: str, access_digest: str) -> dict[str, Any]:
    """Return an entry of the audit table about a user's row."""
    known = record(number)
    return {
        "entry_id": token_hex(24),
        "at": datetime.now(UTC),
        "event": event,
        "token_id": known.id,
        "user_name": known.user_name,
        "client_id": known.client_id,
        "credential": access_digest[:CREDENTIAL_LENGTH],
        "host": "localhost",
        "process": os.getpid(),
    }


def plain(value: Any) -> Any:
    """Return a time as text, which every driver takes."""
    return value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value


def insert_into(table: Table, value: str) -> str:
    """Return the statement that inserts a whole row, with a driver's sign for a value."""
    names = [column.name for column in table.columns]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([value] * len(names))})"
    )
