"""Example applications as their users meet them: processes of their own, and browsers."""

import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import requests

from commands import environment

EXAMPLES = Path(__file__).parents[1] / "examples"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def copied(name, folder):
    """Return a copy of an example: the SDK keeps its files where an application runs."""
    return shutil.copytree(EXAMPLES / name, folder / name)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(url, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the application has ended"
        try:
            return requests.get(url, timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise AssertionError("the application does not answer")


@contextmanager
def serving(command, port, folder, log, **environ):
    """Run a web application; yield its address."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(PYTHONWARNINGS="default", **environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


class Browser:
    """A user's browser without a screen: cookies, forms and links."""

    def __init__(self, address):
        self.address = address
        self._session = requests.Session()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def get(self, path, **options):
        return self._session.get(f"{self.address}{path}", timeout=30, **options)

    def post(self, path, page, **fields):
        found = re.search(r'csrf_token" value="([^"]+)"', page.text)
        form = {"csrf_token": found[1] if found else ""} | fields
        return self._session.post(f"{self.address}{path}", data=form, timeout=30)

    def log_in(self, email):
        page = self.get("/login")
        hidden = re.findall(r'name="(\w+)" value="([^"]*)"', page.text.partition("<button")[0])
        form = {name: unescape(value) for name, value in hidden} | {"account": email}
        return self._session.post(page.url.partition("?")[0], data=form, timeout=30)
