"""MySQL by PyMySQL, mysqlclient or mysql-connector-python."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import URL, ColumnElement, Insert, Select, Table, cast, text
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from zoho_tokenstore.database.dialects.backend import (
    Backend,
    DriverConnection,
    Fault,
    MergedColumns,
)
from zoho_tokenstore.errors import ConfigurationError, DatabaseFullError

__all__ = ["BACKEND", "MySQL"]

UNNUMBERED: Final = -1
"""The number of mysql-connector's own errors; the operational ones mean a dead connection."""

FULL: Final[Fault] = (DatabaseFullError, "is full: free disk space")

DENIED: Final = re.compile(
    r"(?P<privilege>[A-Z ,]+) command denied to user .* (?:for|in) table (?P<table>.+)"
)

GRANT: Final = re.compile(
    r"GRANT (?P<privileges>.+?) ON (?P<quote>[`\"]?)(?P<database>.+?)(?P=quote)\.(?P<table>.+) TO "
)
"""A line of ``SHOW GRANTS`` about all tables (``*``) or one, of one, some or all databases."""

ON_ROWS: Final = frozenset({"SELECT", "INSERT", "UPDATE"})
TO_UPGRADE: Final = ON_ROWS | {"CREATE", "ALTER", "INDEX", "DROP"}
"""The privileges that the migrations need; those on rows may be granted for each table."""

TO_WORK: Final = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP"
"""All privileges, because the server looks at no other grant once one names the database."""

CHARSET: Final = "utf8mb4"
"""The only character set of MySQL that has all of Unicode."""

TIMEOUTS: Final = {"connect_timeout": 10, "read_timeout": 30, "write_timeout": 30}


class MySQL(Backend):
    """Serializable transactions; rows as JSON arrays."""

    drivers: ClassVar[tuple[tuple[str, str], ...]] = (
        ("pymysql", "pymysql"),
        ("mysqldb", "MySQLdb"),
        ("mysqlconnector", "mysql.connector"),
    )
    timeouts: ClassVar[Mapping[str, Mapping[str, int]]] = dict.fromkeys(
        (name for name, _ in drivers), TIMEOUTS
    )
    # In autocommit it changes nothing for reads: they take no locks.
    on_connect: ClassVar[tuple[str, ...]] = (
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    )
    isolate: ClassVar[tuple[str, ...]] = ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",)
    begin_write: ClassVar[tuple[str, ...]] = ("START TRANSACTION",)
    # DDL commits by itself, so a lock on the session guards a migration.
    lock: ClassVar[str | None] = "SELECT GET_LOCK(CONCAT(DATABASE(), :name), 20)"
    unlock: ClassVar[str | None] = "SELECT RELEASE_LOCK(CONCAT(DATABASE(), :name))"
    # UNIX_TIMESTAMP() would follow the session's time zone, which repeats an hour every autumn.
    epoch_milliseconds: ClassVar[str] = (
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000"
    )
    timestamp: ClassVar[TypeEngine[Any]] = mysql.DATETIME(fsp=6)
    keeps_time_zone: ClassVar[bool] = False
    text_bytes: ClassVar[int | None] = 65_535
    # PyMySQL parses a description of each column, in Python, for every result: for ten columns
    # that takes longer than the query.
    packs_rows: ClassVar[bool] = True
    transient: ClassVar[frozenset[str | int]] = frozenset(
        {
            1020,  # MariaDB 11.8: record has changed since last read
            1062,  # duplicate entry; another worker inserted the same login first
            1205,  # lock wait timeout
            1213,  # deadlock; Galera: lost against another node
            3101,  # Group Replication: lost against another node
            3572,  # NOWAIT is set and a lock is taken
        }
    )
    stale: ClassVar[frozenset[str | int]] = frozenset(
        {
            1047,  # Galera: this node has left the cluster
            1290,  # --read-only; the server has become a secondary
            2006,  # server has gone away
            2013,  # lost connection
            2055,  # lost connection, as mysql-connector says it
            3024,  # mysql-connector: read timeout, a bare DBAPIError
        }
    )
    # https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
    read_only: ClassVar[frozenset[str | int]] = frozenset({1290, 1792, 1836})
    denied: ClassVar[frozenset[str | int]] = frozenset({1044, 1142, 1143, 1227, 1370})
    faults: ClassVar[Mapping[str | int, Fault]] = {
        1021: FULL,
        1114: FULL,
    }
    # mysql-connector decides by itself, and cheaply.
    no_idle_rollback: ClassVar[tuple[str, ...]] = ("pymysql", "mysqldb")
    tls_option: ClassVar[str] = "?ssl_ca=/path/to/ca.pem"

    def check_url(self, url: URL) -> None:
        """Refuse a character set that lacks characters of user names."""
        charset = url.query.get("charset", CHARSET)
        if charset != CHARSET:
            raise ConfigurationError(
                f"charset={charset} in the database URL cannot store every user name: remove it or "
                f"set it to {CHARSET}"
            )

    def is_encrypted(self, connection: DriverConnection) -> bool | None:
        """Ask the server."""
        cursor = connection.cursor()
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        row = cursor.fetchone()
        cursor.close()
        return row is not None and bool(row[1])

    def exact(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Compare bytes: a collation ignores case, accents and trailing spaces."""
        return cast(text, mysql.BINARY)

    def upsert(
        self, table: Table, names: Sequence[str], rows: Select[Any], merged: MergedColumns
    ) -> Insert | None:
        """Build ``ON DUPLICATE KEY UPDATE``.

        Any unique key leads there. It is never another row's id: the subqueries of the selected
        rows have looked, and hold a lock on what they found missing.
        """
        insert = mysql.insert(table).from_select(names, rows)
        return insert.on_duplicate_key_update([*merged(insert.inserted).items()])

    def denial_of(self, error: DBAPIError, url: URL) -> str:
        """Quote the server, whose words name the privilege and the table."""
        words = self.words_of(error)
        found = DENIED.search(words)
        if found is None:
            return f"says: {words}; grant the user {url.username!r} what is missing"
        name = found["table"].rpartition(".")[2].strip("'`")
        database = self.schema_in(error, name) or url.database
        return (
            f"says: {words}; run GRANT {found['privilege']} ON `{database}`.`{name}` TO "
            f"{_quoted(url.username or '')}@`%`, with the host of the account"
        )

    def missing_grant_to_upgrade(self, session: Session, schema: str | None) -> str | None:
        """Read the user's grants and those of the active roles."""
        query = text("SELECT COALESCE(:schema, DATABASE()), CURRENT_USER()")
        database, account = session.execute(query, {"schema": schema}).one()
        granted, names = set[str](), [database]
        for found in filter(None, map(GRANT.match, session.scalars(text("SHOW GRANTS")))):
            name = found["database"].replace(found["quote"] * 2, found["quote"])
            if name == "*" or _is_like(database, name):
                privileges = set(found["privileges"].split(", "))
                granted |= privileges if found["table"] == "*" else privileges & ON_ROWS
            if _unescaped(name) == database:
                names.append(name)
        if "ALL PRIVILEGES" in granted or granted >= TO_UPGRADE:
            return None
        user, _, host = account.rpartition("@")
        # The server prefers a grant with an escaped name to one whose "_" is a pattern.
        scope = _quoted(max(names, key=len))
        return f"GRANT {TO_WORK} ON {scope}.* TO {_quoted(user)}@{_quoted(host)}"

    def code_of(self, error: DBAPIError) -> str | int | None:
        """Return the error number; the SQLSTATE is HY000 for most."""
        original = error.orig
        number: int | None = getattr(original, "errno", None)  # mysql-connector
        if number is None and original is not None and original.args:
            number = original.args[0]  # PyMySQL, mysqlclient
        return number if isinstance(number, int) else None

    def words_of(self, error: DBAPIError) -> str:
        """Return the text beside the error number."""
        arguments = error.orig.args if error.orig is not None else ()
        return str(arguments[1] if len(arguments) > 1 else error.orig)

    def is_stale(self, error: DBAPIError) -> bool:
        """Return whether the connection has to be discarded."""
        if self.code_of(error) == UNNUMBERED:
            return isinstance(error, OperationalError)
        return super().is_stale(error)


def _is_like(database: str, pattern: str) -> bool:
    """Return whether a database has the name, or one of the names, of a grant."""
    parts = re.findall(r"\\?.", pattern, re.DOTALL)
    wildcards = {"%": ".*", "_": "."}
    regex = "".join(wildcards.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, database, re.DOTALL) is not None


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _quoted(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))


BACKEND: Final = MySQL()
