"""Requests to a slow or lying server: what has no end, and what leads elsewhere."""

import socket
import threading
import time
import zlib
from contextlib import contextmanager

import pytest
import requests

from zoho_tokenstore.zoho.transport import LONGEST, get_json, post_form

FOUND = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server(answer):
    """Serve one connection after the other; ``answer`` gets the socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/oauth/v2/token"
    finally:
        listener.close()


def sends(*parts, pause=0.0):
    def answer(connection):
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return answer


def drips(head):
    """Send a byte at a time, each well within any time limit for a part."""
    return sends(head, *([b"x"] * 100), pause=0.1)


@pytest.mark.parametrize("head", [b"", FOUND, FOUND + b"Content-Length: 500\r\n\r\n"])
def test_an_answer_that_drips_is_given_up_when_its_time_is_over(head):
    with server(drips(head)) as url:
        began = time.monotonic()
        with pytest.raises(requests.ReadTimeout):
            post_form(url, {"a": "b"}, seconds=0.5)
        assert time.monotonic() - began < 5, "far below the ten seconds of the server"


def test_a_redirect_is_an_answer():
    elsewhere = []
    with server(elsewhere.append) as other:
        head = f"HTTP/1.1 302 Found\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode()
        with server(sends(head)) as url:
            assert post_form(url, {"token": "a secret"}, seconds=5).status == 302
            assert get_json(url, seconds=5, headers={"x": "y"}).status == 302
    assert elsewhere == []


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_without_end_is_refused(compressed):
    body = b"x" * (LONGEST + 1)
    head = FOUND
    if compressed:
        body, head = zlib.compress(body), head + b"Content-Encoding: deflate\r\n"
    answer = sends(head + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)
    too_long = pytest.raises(requests.RequestException, match="too long")
    with server(answer) as url, too_long:
        post_form(url, {}, seconds=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"nonsense\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_an_error_of_requests(answer):
    with server(sends(answer)) as url, pytest.raises(requests.RequestException):
        post_form(url, {}, seconds=5)


def test_a_complete_answer_is_read():
    body = b'{"status": "success"}'
    head = FOUND + f"Content-Length: {len(body)}\r\n\r\n".encode()
    with server(sends(head, body)) as url:
        answer = post_form(url, {"a": None, "b": "c"}, seconds=5)
    assert (answer.status, answer.fields) == (200, {"status": "success"})
