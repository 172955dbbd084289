"""The command line as users run it: in this process, in one of its own, and in a terminal."""

import os
import pty
import subprocess
import sys
from typing import NamedTuple

from support import KEY, LOGIN

SECRETS = ("1000.refresh", "1000.access", LOGIN["client_secret"], KEY.partition(":")[2])
"""What no command may show."""

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "250"}


class Done(NamedTuple):
    """A command that has ended: its exit status, its data and its messages."""

    status: int
    out: str
    err: str


def check_done(status: int | str | None, out: str, err: str) -> Done:
    """Return what a command has written, which is neither a secret nor a traceback."""
    assert not any(secret in out + err for secret in SECRETS)
    assert "Traceback" not in err
    assert isinstance(status, int | None), status
    return Done(status or 0, out, err)


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ZOHO_TOKENSTORE_")}
    return clean | PLAIN | more


def run_process(
    *arguments: object, program: tuple[str, ...] = ("-m", "zoho_tokenstore"), **environ: str
) -> Done:
    """Run the command in a process of its own, which has no terminal."""
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,  # a busy machine takes its time to start sixteen processes
    )
    return check_done(done.returncode, done.stdout, done.stderr)


def run_in_terminal(
    *arguments: object, url: str = "", answer: str = "", asked: str = "", width: int = 250
) -> tuple[int, str]:
    """Run the command in a terminal; return its exit status and what is seen there.

    The answer is typed at once, or after a question whose hidden answers may not be typed before.
    """
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "zoho_tokenstore", *map(str, arguments)],
        env=environment(TERM="xterm", COLUMNS=str(width), ZOHO_TOKENSTORE_URL=url),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    try:
        while asked.encode() not in seen:
            seen += os.read(control, 4096)
        os.write(control, answer.encode())
        while chunk := os.read(control, 4096):
            seen += chunk
    except OSError:  # Linux's way of saying that the other end is closed
        pass
    os.close(control)
    return process.wait(120), seen.decode()
