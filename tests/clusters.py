"""Servers that belong together: a standby, a pooler, the nodes of a Galera cluster."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from servers import START_TIMEOUT, MariaDB, PostgreSQL, UnavailableError, free_port
from support import wait_until

GALERA = Path("/usr/lib/galera/libgalera_smm.so")


class Standby(PostgreSQL):
    """A copy of a primary, which each commit on the primary waits for."""

    variable = ""  # always one of our own

    def __init__(self, primary: PostgreSQL) -> None:
        self._primary = primary.admin_url
        super().__init__()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        self.execute("SELECT pg_promote()")

    def _prepare(self, folder: Path, port: int) -> list[str]:
        self._find_binaries(folder)
        self._run(
            *(self._binaries / "pg_basebackup", "-D", folder / "data", "-R", "-X", "stream"),
            *("-c", "fast", "-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres"),
        )
        return self._serving(folder, port)


class PrimaryAndStandby:
    """A primary with one synchronous standby."""

    def __init__(self) -> None:
        self.primary = PostgreSQL()
        self.standby = Standby(self.primary)

    @property
    def url(self) -> URL:
        """Where to connect to whichever can be written to."""
        ports = [server.admin_url.port for server in (self.primary, self.standby)]
        query = {
            "host": [f"127.0.0.1:{port}" for port in ports],
            "target_session_attrs": "read-write",
        }
        return make_url("postgresql+psycopg://postgres@/postgres").update_query_dict(query)

    def stop(self) -> None:
        self.standby.stop()
        self.primary.stop()


class GaleraNode(MariaDB):
    """One node; the first one begins the cluster."""

    variable = ""  # always one of our own

    def __init__(self, others: Sequence["GaleraNode"]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._others = others
        super().__init__()

    def start_again(self) -> None:
        self._command = [part for part in self._command if part != "--wsrep-new-cluster"]
        super().start_again()

    def _prepare(self, folder: Path, port: int) -> list[str]:
        if not GALERA.exists() or shutil.which("rsync") is None:
            raise UnavailableError("apt-get install galera-4 rsync")
        members = ",".join(node.address for node in (*self._others, self))
        base_port = self.address.rpartition(":")[2]
        provider = {
            "base_host": "127.0.0.1",
            "base_port": base_port,
            "gmcast.listen_addr": f"tcp://{self.address}",
            "ist.recv_addr": f"127.0.0.1:{free_port()}",
            "gcache.size": "32M",
            "evs.keepalive_period": "PT0.5S",
            "evs.inactive_check_period": "PT0.5S",
            "evs.suspect_timeout": "PT2S",
            "evs.inactive_timeout": "PT6S",
            "evs.install_timeout": "PT6S",
        }
        options = {
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": "2",
            "wsrep-on": "ON",
            "wsrep-provider": GALERA,
            "wsrep-cluster-name": "tokens",
            "wsrep-cluster-address": f"gcomm://{members}",
            "wsrep-node-address": self.address,
            "wsrep-node-incoming-address": f"127.0.0.1:{port}",
            "wsrep-sst-method": "rsync",
            "wsrep-sst-receive-address": f"127.0.0.1:{free_port()}",
            "wsrep-provider-options": ";".join(f"{key}={value}" for key, value in provider.items()),
        }
        command = super()._prepare(folder, port)
        command += [f"--{name}={value}" for name, value in options.items()]
        return command if self._others else [*command, "--wsrep-new-cluster"]


class Galera:
    """Three nodes that all take writes."""

    def __init__(self) -> None:
        self.nodes: list[GaleraNode] = []
        with ExitStack() as stack:
            stack.callback(self.stop)
            for _ in range(3):
                self.nodes.append(GaleraNode(tuple(self.nodes)))
                wait_until_synced(self.nodes[-1])
            stack.pop_all()

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.stop()


def wait_until_synced(node: GaleraNode) -> None:
    """Wait until the node has all that the others have."""
    status = text("SHOW STATUS LIKE 'wsrep_local_state_comment'")
    engine = create_engine(node.admin_url)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with engine.connect() as connection:
                if connection.execute(status).one()[1] == "Synced":
                    engine.dispose()
                    return
        except DBAPIError:
            pass  # it refuses until it has joined
        time.sleep(0.05)
    raise UnavailableError("a Galera node did not join the others")


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Put PgBouncer in transaction mode, with two connections, before the server of a URL.

    Raises:
        UnavailableError: It cannot be had here.
    """
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        raise UnavailableError("apt-get install pgbouncer")
    target, port = make_url(url), free_port()
    with tempfile.TemporaryDirectory(prefix="tokens-pgbouncer-") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"{target.username}" ""\n')
        (folder / "ini").write_text(
            f"""
[databases]
* = host=127.0.0.1 port={target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder / "users"}
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
"""
        )
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        process = subprocess.Popen(
            [program, "-q", str(folder / "ini")], user=PostgreSQL.owner(), stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: _answers(port))
            yield target.set(port=port).render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
