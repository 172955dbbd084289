"""The lower bounds: bare drivers, and SQLAlchemy Core."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import bindparam, create_engine, insert, select

from benchmarks.data import UNKNOWN, record, user_name
from benchmarks.drivers import connect_of
from benchmarks.opened import Opened, Place
from zoho_tokenstore.encryption.codec import ReadableCodec
from zoho_tokenstore.schema.models import token_table
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import FIELDS

__all__ = ["TABLE", "BareDriver", "Core", "plain", "row_of"]

TABLE: Final = token_table()
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
        columns = [column.name for column in TABLE.columns]
        self._all = f"SELECT {', '.join(FIELDS)} FROM oauthtoken"
        self._find = {
            name: f"{self._all} WHERE {name} = {value}"
            for name in ("user_digest", "id_digest", "refresh_digest")
        }
        values = ", ".join([value] * len(columns))
        self._insert = f"INSERT INTO oauthtoken ({', '.join(columns)}) VALUES ({values})"
        self._delete = f"DELETE FROM oauthtoken WHERE id_digest = {value}"
        self._update = (
            f"UPDATE oauthtoken SET access_token = {value}, access_digest = {value} "
            f"WHERE id_digest = {value}"
        )

    def _run(self, statement: str, *values: Any) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        return cursor

    def find_by(self, column: str, key: str) -> Any:
        """Run the statement."""
        return self._run(self._find[column], key).fetchone()

    def updating(self, number: int) -> Callable[[str], None]:
        """One UPDATE."""
        key = id_digest(number)

        def save(access_token: str) -> None:
            self._run(self._update, access_token, digest("access_token", access_token), key)

        return save

    def save_new(self, number: int) -> None:
        """One INSERT."""
        values = row_of(number)
        self._run(self._insert, *(plain(values[column.name]) for column in TABLE.columns))

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
    """A pooled connection for each call, and statements that were built before."""

    def __init__(self, place: Place) -> None:
        """Make an engine."""
        self._engine = create_engine(place.url, isolation_level="AUTOCOMMIT")
        self._all = select(*(TABLE.c[name] for name in FIELDS))
        self._find = {
            name: self._all.where(TABLE.c[name] == bindparam("key"))
            for name in ("user_digest", "id_digest", "refresh_digest")
        }
        row = TABLE.c.id_digest == bindparam("key")
        changed = ("access_token", "access_digest")
        self._update = (
            TABLE.update().where(row).values({name: bindparam(f"new_{name}") for name in changed})
        )
        self._delete = TABLE.delete().where(row)

    def find_by(self, column: str, key: str) -> Any:
        """Run the statement."""
        with self._engine.connect() as connection:
            return connection.execute(self._find[column], {"key": key}).first()

    def updating(self, number: int) -> Callable[[str], None]:
        """One UPDATE."""
        key = id_digest(number)

        def save(access_token: str) -> None:
            values = {
                "key": key,
                "new_access_token": access_token,
                "new_access_digest": digest("access_token", access_token),
            }
            with self._engine.connect() as connection:
                connection.execute(self._update, values)

        return save

    def save_new(self, number: int) -> None:
        """One INSERT."""
        with self._engine.connect() as connection:
            connection.execute(insert(TABLE), row_of(number))

    def forget(self, number: int) -> None:
        """One DELETE."""
        with self._engine.connect() as connection:
            connection.execute(self._delete, {"key": id_digest(number)})

    def get_all(self) -> int:
        """One SELECT."""
        with self._engine.connect() as connection:
            return len(connection.execute(self._all).all())

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()


def id_digest(number: int) -> str:
    """Return the digest of the id of a user's token."""
    return digest("id", record(number).id or "")


def row_of(number: int) -> dict[str, Any]:
    """Return all columns of a user's row."""
    now = datetime.now(UTC)
    absent = {column.name: None for column in TABLE.columns}
    values = ReadableCodec().encode_record(record(number), digest)
    return absent | values | {"created_at": now, "updated_at": now}


def plain(value: Any) -> Any:
    """Return a time as text, which every driver takes."""
    return value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value
