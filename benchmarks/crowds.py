"""What a crowd costs that meets one expired token: refreshes, and how long the last one waits.

Each process has the installed SDK and reads a record at the same moment. Zoho takes a second for a
refresh and allows ten of one refresh token in ten minutes, as it does
(https://www.zoho.com/crm/developer/docs/api/v8/refresh.html): a client
that asks too often is refused.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import sdks
from benchmarks.opened import Place
from benchmarks.peers import PEERS
from benchmarks.places import Places
from benchmarks.results import Record
from support import Crowd, address
from zoho_tokenstore.testing import LocalZoho

__all__ = ["measure"]

COMPARED: Final = (
    ("zoho_tokenstore", "sqlite"),
    ("zoho_tokenstore", "postgresql"),
    ("zoho_tokenstore", "mariadb"),
    ("zoho_tokenstore", "mysql"),
    ("zoho_tokenstore, uncoordinated", "sqlite"),
    ("naive SQLite", "sqlite"),
    ("FileStore", "sqlite"),
    ("DBStore", "mariadb"),
)
"""The peers, each with its database; files are with SQLite."""

ALLOWED: Final = 10
"""Refreshes that Zoho allows."""

LIFETIME: Final = 7.0
"""Seconds that the token is valid after the login: the SDK refreshes it 5 s before its end."""

EMAIL: Final = "alice@example.com"


def measure(sizes: Sequence[int], places: Places) -> Iterator[Record]:
    """Let crowds of these sizes meet one expired token.

    Args:
        sizes: Numbers of processes.
        places: Where the tokens are.

    Yields:
        A record for each peer and size.
    """
    crowd = Crowd()
    for peer, database in COMPARED:
        for processes in sizes:
            place = places.fill(peer, database, 0)
            if place is None:
                break
            yield {
                "database": place.database,
                "peer": peer,
                "processes": processes,
                **_meet(crowd, peer, place, processes),
            }


def _meet(crowd: Crowd, peer: str, place: Place, processes: int) -> Record:
    """Let so many processes meet the token; count, and measure the last one's time."""
    with (
        tempfile.TemporaryDirectory() as name,
        LocalZoho(lifetime=LIFETIME, throttle=ALLOWED) as zoho,
    ):
        folder = Path(name)
        refresh_token = _log_in(peer, place, zoho, folder)
        zoho.accounts.lifetime, zoho.delay = 3600.0, 1.0
        time.sleep(LIFETIME - 5)
        ready = multiprocessing.get_context("forkserver").Barrier(processes)
        arguments = (peer, place, address(zoho), folder, refresh_token, ready)
        ended = crowd.run(attend, [arguments] * processes)
        return {
            "refreshes": zoho.count("refresh"),
            "succeeded": sum(email == EMAIL for email, _, _ in ended),
            "seconds": max(end for _, _, end in ended) - min(begin for _, begin, _ in ended),
        }


def _log_in(peer: str, place: Place, zoho: LocalZoho, folder: Path) -> str:
    """Store a token that has all but expired; return its refresh token."""
    opened = PEERS[peer].open(place)
    sdks.forget()
    token = sdks.Application(zoho, opened.store, folder).log_in(EMAIL)
    opened.close()
    refresh_token: str = token.get_refresh_token()
    return refresh_token


def attend(  # noqa: PLR0913, PLR0917 - it is called in another process
    peer: str, place: Place, zoho: dict[str, str], folder: Path, refresh_token: str, ready: Any
) -> tuple[str, float, float]:
    """Be one of the crowd, when all of it is there.

    Returns:
        Whose record was read, or the error; when this began and when it ended, by the clock that
        all processes share.
    """
    own = folder / str(os.getpid())  # processes that share the SDK's own files break them
    own.mkdir()
    opened = PEERS[peer].open(place)
    opened.get_all()  # connects
    application = sdks.Application(SimpleNamespace(**zoho), opened.store, own)
    ready.wait(120)
    began = time.monotonic()
    try:
        read = application.visit(sdks.new_token(refresh_token=refresh_token), EMAIL)
    except Exception as error:  # noqa: BLE001 - that is what the peer comes to
        read = f"{type(error).__name__}: {error}"
    return read, began, time.monotonic()
