"""How fast many new tokens are saved at once."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

from benchmarks.data import token
from benchmarks.drivers import connect_of
from benchmarks.floors import TABLE, insert_into, plain, row_of
from benchmarks.opened import Place
from benchmarks.peers import KEYRING
from benchmarks.places import Places
from benchmarks.results import Record
from zoho_tokenstore import SQLAlchemyTokenStore

__all__ = ["measure"]

ROUNDS: Final = 3


def measure(databases: tuple[str, ...], rows: int, places: Places) -> Iterator[Record]:
    """Load new tokens into empty tables, by turns.

    Args:
        databases: Where.
        rows: How many.
        places: Makes the databases.

    Yields:
        The rows per second: the median of the rounds.
    """
    for database in databases:
        rates: dict[str, list[float]] = {name: [] for name in LOADERS}
        for _ in range(ROUNDS):
            for name, load in LOADERS.items():
                place = places.empty(database)
                if place is not None:
                    rates[name].append(rows / load(place, rows))
        for name, found in rates.items():
            if found:
                yield {
                    "database": database,
                    "peer": name,
                    "rows": rows,
                    "rows_per_second": statistics.median(found),
                }


def _load_ours(place: Place, rows: int, **options: Any) -> float:
    tokens = [token(number) for number in range(rows)]
    with SQLAlchemyTokenStore(place.url, **options) as store:
        store.get_tokens()
        began = time.perf_counter()
        store.save_tokens(tokens)
        return time.perf_counter() - began


def _load_ours_without_audit(place: Place, rows: int) -> float:
    return _load_ours(place, rows, audit=False)


def _load_ours_encrypted(place: Place, rows: int) -> float:
    return _load_ours(place, rows, keyring=KEYRING)


def _load_bare(place: Place, rows: int) -> float:
    """Insert rows that were worked out before, in one executemany."""
    with SQLAlchemyTokenStore(place.url) as store:
        store.get_tokens()
    connect, value = connect_of(place.url)
    names = [column.name for column in TABLE.columns]
    lines = [[plain(value) for value in map(row_of(n).get, names)] for n in range(rows)]
    with closing(connect()) as connection:
        began = time.perf_counter()
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(insert_into(TABLE, value), lines)
        cursor.execute("COMMIT")
        return time.perf_counter() - began


LOADERS: Final[dict[str, Callable[[Place, int], float]]] = {
    "bare driver": _load_bare,
    "zoho_tokenstore": _load_ours,
    "zoho_tokenstore, no audit": _load_ours_without_audit,
    "zoho_tokenstore, keyring": _load_ours_encrypted,
}
