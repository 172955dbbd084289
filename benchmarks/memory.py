"""How much memory it takes to go through a table of any size: peaks of real processes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.opened import Place
from benchmarks.peers import PEERS
from benchmarks.results import Record

__all__ = ["Watched", "measure"]

EARLY: Final = 10
"""Seconds after which the memory is looked at first: all of it is at work by then."""

NEW_KEY: Final = "new:" + "B" * 43
OLD_KEY: Final = "1:" + "A" * 43
ITERATE: Final = """
import sys
from zoho_tokenstore import SQLAlchemyTokenStore
with SQLAlchemyTokenStore(sys.argv[1]) as store:
    print(sum(1 for _ in store.iter_tokens()))
"""


class Watched:
    """A process that is run to its end while its memory is looked at.

    Attributes:
        output: What it printed.
        early_mib: Its peak after :data:`EARLY` seconds.
        peak_mib: Its peak in the end.
        seconds: How long it took.
    """

    def __init__(self, *command: str, **environment: str) -> None:
        """Run it.

        Raises:
            CalledProcessError: It failed.
        """
        began = time.monotonic()
        self.early_mib = self.peak_mib = 0
        with subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            while process.poll() is None:
                self.peak_mib = max(self.peak_mib, _peak_of(process.pid))
                if time.monotonic() - began < EARLY:
                    self.early_mib = self.peak_mib
                time.sleep(0.05)
            self.output = process.communicate()[0]
        self.seconds = time.monotonic() - began
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, self.output)

    def record(self, operation: str, rows: int) -> Record:
        """Return what was seen."""
        return {
            "operation": operation,
            "rows": rows,
            "early_mib": self.early_mib,
            "peak_mib": self.peak_mib,
            "seconds": self.seconds,
        }


def measure(rows: int) -> Iterator[Record]:
    """Go through so many tokens in every way there is.

    Yields:
        The peak resident memory of each.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, database = folder / "source.csv", f"sqlite:///{folder}/imported.db"
        PEERS["FileStore"].fill(Place("file", str(source)), rows)
        _command("upgrade", "--url", database)
        yield _command("import", "filestore", str(source), "--url", database).record("import", rows)
        yield Watched("-c", ITERATE, database).record("iter_tokens", rows)
        for kind in ("filestore", "json"):
            target = str(folder / kind)
            seen = _command("export", kind, target, "--url", database)
            yield seen.record(f"export {kind}", rows)
    with tempfile.TemporaryDirectory() as name:
        place = Place("sqlite", f"sqlite:///{name}/encrypted.db")
        PEERS["zoho_tokenstore, keyring"].fill(place, rows)
        yield rotate(place.url).record("keys rotate", rows)


def rotate(url: str) -> Watched:
    """Encrypt everything with another key."""
    keys = {"ZOHO_TOKENSTORE_KEYS": f"{NEW_KEY},{OLD_KEY}"}
    return _command("keys", "rotate", "--json", "--url", url, **keys)


def _command(*arguments: Any, **environment: str) -> Watched:
    return Watched("-m", "zoho_tokenstore", *arguments, **environment)


def _peak_of(pid: int) -> int:
    """Return the most memory that a process has had so far, in MiB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
