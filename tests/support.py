"""Shared by the tests: tokens, what they hold, and many processes at once."""

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from rich.traceback import Traceback
from sqlalchemy import Engine, create_engine, delete, inspect
from sqlalchemy.pool import NullPool

import sdks
from sdks import SDK, SETTERS, SDKException
from zoho_tokenstore import Keyring, OAuthTokenRow, RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

LOGIN = {
    "client_id": "1000.CLIENT",
    "client_secret": "a-client-secret",
    "refresh_token": "1000.refresh",
    "access_token": "1000.access",
    "expiry": "1767225600000",
    "redirect_url": "https://app.example.com/callback",
    "api_domain": "https://www.zohoapis.eu",
}


SHORT = 6
"""Characters that may turn up anywhere by chance."""

KEY = Keyring.generate_key()
"""The key of encrypted stores, a new one in each process."""


def make_token(user: str | None = None, **fields: Any) -> Any:
    """Make a token with exactly these fields, whatever the SDK's constructor insists on.

    A field that the SDK's tokens do not have is left out.
    """
    token = SDK.new_token()
    if user is not None:
        SDK.setters["user_name"](token, user)
    for name, value in fields.items():
        if name in SETTERS:
            SETTERS[name](token, value)
    return token


def login(user: str | None = None, **changes: Any) -> Any:
    """Make a token as it is after a login; each user has tokens of their own."""
    own = {name: f"{LOGIN[name]}.{user}" for name in ("refresh_token", "access_token") if user}
    return make_token(user, **LOGIN | own | changes)


def record(token: Any) -> TokenRecord:
    return SDK.read_token(token)


def known(token: Any) -> dict[str, Any]:
    """Return what a token holds, by field."""
    return record(token).known()


def expires_in(token: Any) -> Any:
    """Return the expiry as the SDK sees it."""
    return SDK.getters[FIELDS.index("expiry")](token)


def stored(store: Any) -> list[dict[str, Any]]:
    """Return what a store holds, in an order that does not depend on the store."""
    return sorted((known(token) for token in store.get_tokens()), key=repr)


def assert_nothing_is_readable(url: str, stores: Sequence[Any]) -> None:
    """Look for every stored secret in all that an SQLite database has on the disk."""
    file = Path(url.removeprefix("sqlite:///"))
    on_disk = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    for store in stores:
        for row in stored(store):
            readable = {value for name, value in row.items() if name not in SECRET_FIELDS}
            for name in SECRET_FIELDS:
                secret = row.get(name, "")
                if len(secret) > SHORT and secret not in readable:
                    assert secret.encode() not in on_disk, name


def shown(error: BaseException) -> str:
    """Return all that tracebacks show of an error and its causes, local variables included.

    The frame of the test that has caught it is left out. Rich's traceback is taken apart instead of
    printed, which takes seconds: the code that it highlights is the same every time.
    """
    assert error.__traceback__ is not None
    trace = error.__traceback__.tb_next
    plain = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    rich = Traceback.extract(
        type(error),
        error,
        trace,
        show_locals=True,
        locals_max_length=None,
        locals_max_string=None,
    )
    texts = list(plain.format())
    for stack in rich.stacks:
        texts.append(f"{stack.exc_type}: {stack.exc_value} {getattr(stack, 'notes', '')}")
        for frame in stack.frames:
            texts += [f"{name}={node}" for name, node in (frame.locals or {}).items()]
    assert any("=" in text for text in texts)
    return "\n".join(texts)


@contextmanager
def sdk_error(kind: type[TokenStoreError], match: str = "") -> Iterator[Any]:
    """Expect the SDK's exception with our error of this kind as its cause."""
    with pytest.raises(SDKException) as caught:
        yield caught
    assert caught.value.code == "TOKEN_STORE"
    assert type(caught.value.cause) is kind, repr(caught.value.cause)
    assert caught.value.__cause__ is caught.value.cause
    assert match in str(caught.value)


class Crowd:
    """Processes that start together.

    They are forked from a server process that has imported the SDK and this module and has used
    neither, so that no threads and no connections of the test come along.
    """

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *sdks.MODULES])
        with pytest.MonkeyPatch.context() as patched:
            # Python 3.11 preloads before it has been told the path of the tests.
            patched.setenv("PYTHONPATH", str(Path(__file__).parent))
            forkserver.ensure_running()

    def run(self, work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call ``work`` with each of the arguments, all at once; return what each returned."""
        barrier = self._context.Barrier(len(arguments))
        results = self._context.Queue()
        processes = [
            self._context.Process(target=_attend, args=(barrier, results, number, work, args))
            for number, args in enumerate(arguments)
        ]
        for process in processes:
            process.start()
        outcome = dict(results.get(timeout=240) for _ in processes)
        for process in processes:
            process.join()
        return [outcome[number] for number in range(len(processes))]

    def start(self, work: Callable[..., Any], *args: Any) -> multiprocessing.Process:
        """Start one process that the test will end itself."""
        process = self._context.Process(target=work, args=args)
        process.start()
        return process


def _attend(barrier: Any, results: Any, number: int, work: Callable[..., Any], args: Any) -> None:
    barrier.wait(60)
    try:
        results.put((number, work(*args)))
    except BaseException as error:
        results.put((number, f"{type(error).__name__}: {error}"))
        raise


def address(zoho: LocalZoho) -> dict[str, str]:
    """Return what another process needs to know of a Zoho."""
    return {"url": zoho.url, "accounts_url": zoho.accounts_url}


def visit(
    url: str,
    zoho: dict[str, str],
    folder: Path,
    fields: dict[str, str],
    on_event: Callable[[Any], None] | None = None,
    begin: float = 0.0,
) -> tuple[str, float]:
    """Be one worker: come back as Alice, read a record; return whose it was and the seconds.

    It begins not before that time by the monotonic clock, which all processes share.
    """
    with SQLAlchemyTokenStore(url, refresh=RefreshPolicy(wait=60, on_event=on_event)) as store:
        store.get_tokens()
        own = folder / str(os.getpid())  # processes that share the SDK's own files break them
        own.mkdir()
        application = sdks.Application(SimpleNamespace(**zoho), store, own)
        time.sleep(max(0.0, begin - time.monotonic()))
        began = time.monotonic()
        email = application.visit(sdks.new_token(**fields), "alice@example.com")
        return email, time.monotonic() - began


class Writers:
    """Threads that save one new user after the other, and one that all of them share.

    Attributes:
        acknowledged: User name and id of each token whose save returned.
        failed: Why the others failed.
    """

    def __init__(self, stores: Sequence[Any]) -> None:
        self.acknowledged: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._save, args=(store, name))
            for name, store in enumerate(stores)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, number: int) -> None:
        """Wait until so many more tokens have been saved."""
        goal = len(self.acknowledged) + number
        wait_until(lambda: len(self.acknowledged) >= goal, 60)

    def assert_nothing_is_lost(self, store: Any) -> None:
        rows = [(row["user_name"], row["id"]) for row in stored(store)]
        assert set(self.acknowledged) <= set(rows), "every acknowledged save is there"
        assert len(rows) == len({name for name, _ in rows}), "no user is there twice"

    def _save(self, store: Any, name: int) -> None:
        number = 0
        while not self._ended.is_set():
            token = login(f"user {name}.{number}")
            try:
                store.save_token(token)
                store.save_token(login("shared", access_token=f"{name}.{number}"))
            except SDKException as error:
                self.failed.append(f"{type(error.cause).__name__}: {error.cause}")
                time.sleep(0.05)  # and the same token again, as an application would
                continue
            self.acknowledged.append((f"user {name}.{number}", token.get_id()))
            number += 1


@cache
def engine_of(url: str) -> Engine:
    """Return an engine of the tests' own, which keeps no connection open."""
    return create_engine(url, poolclass=NullPool)


def execute(url: str, statement: Any) -> Sequence[Any]:
    """Execute a statement of SQLAlchemy Core in a transaction; return its rows, if it has any."""
    with engine_of(url).begin() as connection:
        result = connection.execute(statement)
        return result.all() if result.returns_rows else []


def lease_is_held(url: str) -> bool:
    """Return whether a worker is refreshing."""
    table = companion_table(OAuthTokenRow.__table__, "lease")
    return any(lease.until for lease in execute(url, table.select()))


@contextmanager
def emptied(url: str) -> Iterator[str]:
    """Empty our tables in a database that tests use after one another, before and after."""

    def empty() -> None:
        tokens = OAuthTokenRow.__table__
        with engine_of(url).begin() as connection:
            if inspect(connection).has_table(tokens.name):
                for table in tokens.metadata.tables.values():
                    connection.execute(delete(table))

    empty()
    yield url
    empty()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def logged_in(
    zoho: LocalZoho, store: Any, email: str, issued_to: str = "id", **changes: Any
) -> dict[str, Any]:
    """Store the login of a user of a local Zoho; return what is stored."""
    answer = zoho.accounts.exchange({"code": zoho.grant(email), "client_id": issued_to})
    store.save_token(
        make_token(
            email,
            **{
                "client_id": "id",
                "client_secret": "secret",
                "refresh_token": answer["refresh_token"],
                "access_token": answer["access_token"],
                "expiry": str(int(time.time() * 1000) + int(zoho.accounts.lifetime * 1000)),
                "api_domain": zoho.url,
            }
            | changes,
        )
    )
    owner = email, changes.get("client_id", "id")
    (row,) = [row for row in stored(store) if (row["user_name"], row.get("client_id")) == owner]
    return row
