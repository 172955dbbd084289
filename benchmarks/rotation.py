"""The rotation of keys while workers find and save: no worker may get a wrong token."""

import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.data import record
from benchmarks.memory import NEW_KEY, OLD_KEY, rotate
from benchmarks.opened import Place
from benchmarks.peers import PEERS
from benchmarks.results import Record
from benchmarks.sdk_stores import SDKStore
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

__all__ = ["measure"]

WORKERS: Final = 8
USERS: Final = 10
"""Users of each worker."""


class WrongError(Exception):
    """A worker was given another token than it had saved, or a row was not rotated."""


def measure(rows: int) -> Iterator[Record]:
    """Rotate so many tokens while workers find and save some of them, the new key first.

    Yields:
        The memory that the rotation took.

    Raises:
        WrongError: Something went wrong.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        end, results = Path(name) / "end", context.Queue()
        place = Place("sqlite", f"sqlite:///{name}/tokens.db")
        PEERS["zoho_tokenstore, keyring"].fill(place, rows)
        workers = [
            context.Process(target=work, args=(place.url, number, end, results))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for _ in workers:
            results.get(timeout=60)  # it is at work
        seen = rotate(place.url)
        end.touch()
        done = [results.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
    calls, wrong = (sum(column) for column in zip(*done, strict=True))
    counts = json.loads(seen.output)
    print(f"{counts}; {calls} concurrent finds and saves, {wrong} wrong")
    if wrong or counts["failed"] or counts["rotated"] + counts["current"] != rows:
        raise WrongError(f"{wrong} wrong, {counts}")
    yield seen.record(f"keys rotate, while {WORKERS} processes find and save", rows)


def work(url: str, number: int, end: Path, results: Any) -> None:
    """Find and save some users' tokens until the end; report how often, and what was wrong."""
    last: dict[int, str | None] = {}
    calls = wrong = 0
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(f"{NEW_KEY},{OLD_KEY}")) as store:
        opened = SDKStore(store, str)
        while not end.exists():
            for user in range(number * USERS, (number + 1) * USERS):
                token = opened.finding(user)()
                expected = last.get(user, record(user).access_token)
                wrong += token.get_access_token() != expected or not opened.is_right(token, user)
                last[user] = f"{number}.{calls}"
                token.set_access_token(last[user])
                store.save_token(token)
                calls += 1
                if calls == 1:
                    results.put(None)
    results.put((calls, wrong))
