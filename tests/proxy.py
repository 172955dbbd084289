"""A TCP proxy that loses, cuts and delays what it should pass on, as networks do."""

import contextlib
import select
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

CHUNK = 1 << 16


class FaultProxy:
    """Stands between a client and a server on 127.0.0.1, one thread for each connection.

    Attributes:
        connections: How many have been made through it.
        struck: How many connections a fault has ended.
    """

    def __init__(self, server_port: int) -> None:
        self._server = ("127.0.0.1", server_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._requests_left = 0
        self._loses_reply = False
        self._refusing = False
        self._passing = threading.Event()
        self._passing.set()
        self.connections = 0
        self.struck = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def refuse(self) -> None:
        """Reset every connection that is made from now on."""
        self._refusing = True

    def reset(self) -> None:
        """Reset every connection there is, as a firewall does to idle ones."""
        with self._lock:
            for client in self._open:
                _reset(client)
                self.struck += 1
            self._open.clear()

    def cut_before(self, number: int) -> None:
        """Reset the connection that sends the n-th request from now on, unseen by the server."""
        self._requests_left, self._loses_reply = number, False

    def lose_reply_to(self, number: int) -> None:
        """Reset the connection that sends the n-th request from now on, once that is answered."""
        self._requests_left, self._loses_reply = number, True

    def swallow(self) -> None:
        """Take everything and pass nothing on, in either direction."""
        self._passing.clear()

    def behave(self) -> None:
        """Pass on again; what was swallowed stays lost."""
        self._requests_left = 0
        self._refusing = False
        self._passing.set()

    def close(self) -> None:
        self._listener.close()
        self._passing.set()
        self.reset()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                if self._refusing:
                    _reset(client)
                    continue
                with self._lock:
                    self._open.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError),  # reset meanwhile
            client,
            socket.create_connection(self._server) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    source, target = key.fileobj, key.data
                    data = source.recv(CHUNK)
                    if not data:
                        return
                    if not self._passing.is_set():
                        continue
                    if source is client and self._strikes():
                        if self._loses_reply:
                            server.sendall(data)
                            # Part of a pipeline has no answer yet.
                            select.select([server], [], [], 0.2)
                        _reset(client)
                        return
                    target.sendall(data)
        with self._lock:
            self._open.discard(client)

    def _strikes(self) -> bool:
        self._requests_left -= 1
        struck = self._requests_left == 0
        self.struck += struck
        return struck


def _reset(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


@contextmanager
def proxied(url: str) -> Iterator[tuple[FaultProxy, str]]:
    """Put a proxy before the server of a URL; yield it, and the URL that goes through it."""
    target = make_url(url)
    assert target.port is not None
    proxy = FaultProxy(target.port)
    try:
        yield proxy, target.set(port=proxy.port).render_as_string(hide_password=False)
    finally:
        proxy.close()
