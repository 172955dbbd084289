"""A token store as it is written in an afternoon: SQLite, a connection per call, no index."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Final

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.token_store import TokenStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

__all__ = ["NaiveSQLiteStore"]

COLUMNS: Final = (
    "id",
    "user_name",
    "client_id",
    "client_secret",
    "refresh_token",
    "access_token",
    "grant_token",
    "expiry_time",
    "redirect_url",
    "api_domain",
)


class NaiveSQLiteStore(TokenStore):  # type: ignore[misc]
    """Keeps tokens in a table whose columns are the SDK's.

    Args:
        path: The database file.
    """

    def __init__(self, path: str) -> None:
        """Make the table."""
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS tokens ({', '.join(COLUMNS)})")

    def find_token(self, token: OAuthToken) -> OAuthToken | None:
        """Find by the user's name, or else by a token."""
        user = token.get_user_signature()
        if user is not None:
            return self._find("user_name", user.get_name(), token)
        if token.get_access_token() is not None:
            return self._find("access_token", token.get_access_token(), token)
        if token.get_grant_token() is not None:
            return self._find("grant_token", token.get_grant_token(), token)
        return self._find("refresh_token", token.get_refresh_token(), token)

    def find_token_by_id(self, id: str) -> OAuthToken | None:
        """Find by the id."""
        return self._find("id", id, OAuthToken(id=id))

    def save_token(self, token: OAuthToken) -> None:
        """Update the user's row, or insert one."""
        user = token.get_user_signature()
        name = user.get_name() if user is not None else None
        with closing(self._connect()) as connection, connection:
            found = connection.execute(
                "SELECT id FROM tokens WHERE user_name = ? OR id = ?", (name, token.get_id())
            ).fetchone()
            if found is None:
                last = connection.execute("SELECT max(CAST(id AS INTEGER)) FROM tokens").fetchone()
                token.set_id(str((last[0] or 0) + 1))
                places = ", ".join("?" * len(COLUMNS))
                connection.execute(f"INSERT INTO tokens VALUES ({places})", _values(token, name))
            else:
                token.set_id(found[0])
                changes = ", ".join(f"{column} = ?" for column in COLUMNS)
                connection.execute(
                    f"UPDATE tokens SET {changes} WHERE id = ?", (*_values(token, name), found[0])
                )

    def delete_token(self, id: str) -> None:
        """Delete by the id."""
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM tokens WHERE id = ?", (id,))

    def get_tokens(self) -> list[OAuthToken]:
        """Return all."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT * FROM tokens").fetchall()
        return [_fill(OAuthToken(id=row[0]), row) for row in rows]

    def delete_tokens(self) -> None:
        """Delete all."""
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM tokens")

    def load(self, rows: Iterable[Sequence[str]]) -> None:
        """Insert rows of the table's columns."""
        places = ", ".join("?" * len(COLUMNS))
        with closing(self._connect()) as connection, connection:
            connection.executemany(f"INSERT INTO tokens VALUES ({places})", rows)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)

    def _find(self, column: str, value: str, token: OAuthToken) -> OAuthToken | None:
        with closing(self._connect()) as connection:
            row = connection.execute(
                f"SELECT * FROM tokens WHERE {column} = ?", (value,)
            ).fetchone()
        return None if row is None else _fill(token, row)


def _values(token: OAuthToken, name: str | None) -> tuple[Any, ...]:
    return (
        token.get_id(),
        name,
        token.get_client_id(),
        token.get_client_secret(),
        token.get_refresh_token(),
        token.get_access_token(),
        token.get_grant_token(),
        token.get_expires_in(),
        token.get_redirect_url(),
        token.get_api_domain(),
    )


def _fill(token: OAuthToken, row: Sequence[Any]) -> OAuthToken:
    token.set_id(row[0])
    if row[1] is not None:
        token.set_user_signature(UserSignature(row[1]))
    token.set_client_id(row[2])
    token.set_client_secret(row[3])
    token.set_refresh_token(row[4])
    token.set_access_token(row[5])
    token.set_grant_token(row[6])
    token.set_expires_in(row[7])
    token.set_redirect_url(row[8])
    token.set_api_domain(row[9])
    return token
