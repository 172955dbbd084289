"""How long a crowd of processes is held up by one expired token: ``python benchmarks/crowds.py``.

Each process has the installed SDK, meets the expired token at the same moment and reads a record.
Zoho takes a second for the refresh. Printed is the time from its answer until the store had handed
the new token to the last process that waited for it; those that come later wait for nobody.
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
    """The requests that Zoho has answered.

    Attributes:
        refreshed: When the refresh was answered, by the monotonic clock, which all processes share.
    """

    refreshed = 0.0

    def append(self, request: Request) -> None:
        """Note the time as well."""
        if request.kind == "refresh":
            self.refreshed = time.monotonic()
        super().append(request)


def attend(begin: float, *arguments: Any) -> list[float]:
    """Be one of the crowd; return when this process had refreshed, or had waited."""
    times: list[float] = []
    visit(*arguments, on_event=lambda _: times.append(time.monotonic()), begin=begin)
    return times


def meet(crowd: Crowd, url: str, processes: int) -> tuple[int, int, float]:
    """Let so many processes meet one expired token.

    Returns:
        The refreshes that Zoho was asked for, how many processes waited, and the seconds from its
        answer until the last of them had the new token.
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
        begin = time.monotonic() + 3 + processes / 4  # when all of them have opened their stores
        arguments = (begin, url, address(zoho), Path(folder), fields)
        ended = crowd.run(attend, [arguments] * processes)
        moments = [moment for times in ended for moment in times]
        return zoho.count("refresh"), len(moments) - 1, max(moments) - answers.refreshed


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
                refreshes, waited, seconds = meet(crowd, url, processes)
                print(
                    f"{kind:<12}{processes:>4} processes{refreshes:>4} refresh"
                    f"{waited:>4} waited{seconds:>8.2f} s"
                )


if __name__ == "__main__":
    main()
