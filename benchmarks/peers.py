"""The ways to keep tokens that are compared: ours with and without its features, and the others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import insert

from benchmarks.data import record
from benchmarks.floors import TABLE, BareDriver, Core
from benchmarks.opened import Opened, Peer, Place, pages
from benchmarks.sdk_stores import (
    SDKStore,
    fill_dbstore,
    fill_file,
    fill_naive,
    open_dbstore,
    open_file,
    open_naive,
)
from benchmarks.slack import SlackStore, fill_slack
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

__all__ = ["KEYRING", "PEERS"]

KEYRING: Final = Keyring.from_text("1:" + "A" * 43)
SQL: Final = ("sqlite", "postgresql", "mariadb", "mysql")


class OurStore(SDKStore):
    """Our own."""

    def __init__(self, url: str, **options: Any) -> None:
        """Open it."""
        self._ours = SQLAlchemyTokenStore(url, **options)
        super().__init__(self._ours, lambda number: record(number).id or "")

    def close(self) -> None:
        """Close its connections."""
        self._ours.close()


def _fill_ours(place: Place, rows: int, keyring: Keyring | None = None) -> None:
    with SQLAlchemyTokenStore(place.url, keyring=keyring) as store:
        store.get_tokens()
        store._database.write(store._opened.tables.keys.check_save)  # noqa: SLF001 - adds the key
        codec = store._opened.tables.tokens.codec  # noqa: SLF001 - past the rules, which would take far longer
        for page in pages(rows):
            now = datetime.now(UTC)
            times = {"created_at": now, "updated_at": now}
            values = [codec.encode_record(record(n), codec.digest) | times for n in page]
            store._database.write(partial(_insert, values=values))  # noqa: SLF001


def _insert(session: Any, values: list[dict[str, Any]]) -> None:
    session.execute(insert(TABLE), values)


def _open_ours(place: Place, **options: Any) -> Opened:
    return OurStore(place.url, **options)


PEERS: Final[Mapping[str, Peer]] = {
    "bare driver": Peer(SQL, "ours", _fill_ours, BareDriver),
    "SQLAlchemy Core": Peer(SQL, "ours", _fill_ours, Core),
    "zoho_tokenstore": Peer(SQL, "ours", _fill_ours, _open_ours),
    "zoho_tokenstore, uncoordinated": Peer(
        SQL, "ours", _fill_ours, partial(_open_ours, refresh=None)
    ),
    "zoho_tokenstore, no audit": Peer(SQL, "ours", _fill_ours, partial(_open_ours, audit=False)),
    "zoho_tokenstore, keyring": Peer(
        SQL,
        "keyring",
        partial(_fill_ours, keyring=KEYRING),
        partial(_open_ours, keyring=KEYRING),
        most=200_000,
    ),
    "slack_sdk": Peer(SQL, "slack", fill_slack, SlackStore, most=200_000),
    "naive SQLite": Peer(("sqlite",), "naive", fill_naive, open_naive),
    "DBStore": Peer(("mariadb",), "dbstore", fill_dbstore, open_dbstore),
    "FileStore": Peer(("file",), "file", fill_file, open_file),
}
"""All of them, by name."""
