"""How long a crowd of processes is held up by one expired token: ``python benchmarks/crowds.py``.

Each process has the installed SDK, meets the expired token at the same moment and reads a record.
Zoho takes a second for the refresh; what is printed is the time from its answer until the last of
the processes came with the new token, by the clock of the server that plays Zoho.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sdks
from servers import KINDS, Servers, UnavailableError
from support import Crowd, address, stored, visit
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.testing.local_zoho import Request

SIZES = (16, 64)


class Answers(list[Request]):
    """The requests that Zoho has answered, with their times.

    Attributes:
        times: When the last one of each kind was answered, in seconds.
    """

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.times: dict[str, float] = {}

    def append(self, request: Request) -> None:
        """Note the time as well."""
        self.times[request.kind] = time.monotonic()
        super().append(request)


def meet(crowd: Crowd, url: str, processes: int) -> tuple[int, float]:
    """Let so many processes meet one expired token.

    Returns:
        The refreshes that Zoho was asked for, and the seconds from its answer to the last record.
    """
    with tempfile.TemporaryDirectory() as folder, LocalZoho(lifetime=4.0) as zoho:
        with SQLAlchemyTokenStore(url, refresh=None) as store:
            store.delete_tokens()
            sdks.forget()
            sdks.Application(zoho, store, Path(folder)).log_in()
            (row,) = stored(store)
        zoho.accounts.lifetime, zoho.delay = 3600.0, 1.0
        zoho.requests = answers = Answers()
        fields = {"refresh_token": row["refresh_token"]}
        visits = crowd.run(visit, [(url, address(zoho), Path(folder), fields)] * processes)
        if not all(email == "alice@example.com" for email, _ in visits):
            raise AssertionError(visits)
        return zoho.count("refresh"), answers.times["record"] - answers.times["refresh"]


def main() -> None:
    """Print a line for each database and size."""
    print(f"contract {sdks.SDK.contract}: {sdks.DISTRIBUTION} {sdks.VERSION}")
    servers, crowd = Servers(), Crowd()
    kinds: list[Any] = sys.argv[1:] or ["sqlite", *KINDS]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.callback(servers.stop)
        for kind in kinds:
            try:
                url = (
                    f"sqlite:///{folder}/tokens.db"
                    if kind == "sqlite"
                    else stack.enter_context(servers.get(kind).database())
                )
            except UnavailableError as error:
                print(f"{kind}: {error}")
                continue
            for processes in SIZES:
                refreshes, seconds = meet(crowd, url, processes)
                print(f"{kind:<12}{processes:>4} processes{refreshes:>4} refresh{seconds:>8.2f} s")


if __name__ == "__main__":
    main()
