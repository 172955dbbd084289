"""Stores that have the SDK's contract: its own two, and the naive one."""

import csv
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import make_url
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.db_store import DBStore
from zohocrmsdk.src.com.zoho.api.authenticator.store.file_store import FileStore
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from benchmarks.data import UNKNOWN, record, token, user_name
from benchmarks.drivers import connect_of
from benchmarks.naive import NaiveSQLiteStore
from benchmarks.opened import Opened, Place, pages
from zoho_tokenstore.transfer.columns import field_of
from zoho_tokenstore.transfer.layouts import FILES

__all__ = [
    "SDK_TABLE",
    "SDKStore",
    "fill_dbstore",
    "fill_file",
    "fill_naive",
    "open_dbstore",
    "open_file",
    "open_naive",
]

COLUMNS: Final = FILES["C"]

SDK_TABLE: Final = """
CREATE TABLE oauthtoken (
    id VARCHAR(10) NOT NULL PRIMARY KEY, user_name VARCHAR(255), client_id VARCHAR(255),
    client_secret VARCHAR(255), refresh_token VARCHAR(255), access_token VARCHAR(255),
    grant_token VARCHAR(255), expiry_time VARCHAR(20), redirect_url VARCHAR(255),
    api_domain VARCHAR(255))
"""
"""The table of the SDK's DBStore, as its documentation has it (zohocrmsdk8-0 7.0.0)."""


class SDKStore(Opened):
    """Any store that has the SDK's contract."""

    def __init__(self, store: Any, id_of: Callable[[int], str]) -> None:
        """Keep the store, and what makes the id of a user's token."""
        self.store = store
        self._id_of = id_of
        self._new: dict[int, OAuthToken] = {}

    def finding(self, number: int) -> Callable[[], Any]:
        """Ask with a new token that has a user's name, as the SDK does."""
        signature = UserSignature(user_name(number))
        return lambda: self.store.find_token(OAuthToken(user_signature=signature))

    def finding_by_id(self, number: int) -> Callable[[], Any]:
        """Ask with an id."""
        return partial(self.store.find_token_by_id, self._id_of(number))

    def finding_by_refresh_token(self, number: int) -> Callable[[], Any]:
        """Ask with a new token that has its client and its refresh token."""
        known = record(number)
        fields = {
            "client_id": known.client_id,
            "client_secret": known.client_secret,
            "refresh_token": known.refresh_token,
        }
        return lambda: self.store.find_token(OAuthToken(**fields))

    def save_new(self, number: int) -> None:
        """Save as after a login."""
        self._new[number] = saved = token(number)
        self.store.save_token(saved)

    def forget(self, number: int) -> None:
        """Delete by the id that the store has given."""
        self.store.delete_token(self._new.pop(number).get_id())

    def updating(self, number: int) -> Callable[[str], None]:
        """Save the token that was found, as the SDK does."""
        found = self.finding(number)()

        def save(access_token: str) -> None:
            found.set_access_token(access_token)
            self.store.save_token(found)

        return save

    def get_all(self) -> int:
        """Read all tokens into a list."""
        return len(self.store.get_tokens())

    def is_right(self, found: Any, number: int) -> bool:
        """Compare the refresh token, which never changes here."""
        if number == UNKNOWN:
            return found is None
        return found is not None and found.get_refresh_token() == record(number).refresh_token

    def close(self) -> None:
        """Do nothing: the SDK's stores keep nothing open."""


def fill_file(place: Place, rows: int) -> None:
    """Write the file that the SDK's FileStore would."""
    with Path(place.url).open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        for number in range(rows):
            lines.writerow(_sdk_row(number))


def _sdk_row(number: int) -> list[str]:
    """Return a line of the SDK's columns, the id being the number of the line."""
    known = record(number).with_id(str(number + 1))
    values = (getattr(known, field_of(name) or "") for name in COLUMNS)
    return ["" if value is None else str(value) for value in values]


def fill_dbstore(place: Place, rows: int) -> None:
    """Fill the table of the SDK's DBStore."""
    connect, _ = connect_of(place.url)
    names = ", ".join(COLUMNS).replace("redirect_uri", "redirect_url")  # as they are in the table
    places = ", ".join(["%s"] * len(COLUMNS))
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(SDK_TABLE)
        for page in pages(rows):
            lines = [[value or None for value in _sdk_row(number)] for number in page]
            cursor.executemany(f"INSERT INTO oauthtoken ({names}) VALUES ({places})", lines)


def open_dbstore(place: Place) -> Opened:
    """Open the SDK's DBStore."""
    url = make_url(place.url)
    store = DBStore(
        host=url.host,
        port_number=str(url.port),
        user_name=url.username,
        password="",
        database_name=url.database,
    )
    return SDKStore(store, _line)


def fill_naive(place: Place, rows: int) -> None:
    """Fill the naive store."""
    store = NaiveSQLiteStore(make_url(place.url).database or "")
    for page in pages(rows):
        store.load(_sdk_row(number) for number in page)


def open_naive(place: Place) -> Opened:
    """Open the naive store."""
    return SDKStore(NaiveSQLiteStore(make_url(place.url).database or ""), _line)


def open_file(place: Place) -> Opened:
    """Open the SDK's FileStore."""
    return SDKStore(FileStore(place.url), _line)


def _line(number: int) -> str:
    return str(number + 1)
