"""The command ``zoho-tokenstore demo``: the real SDK with a real store and a ``LocalZoho``."""

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Final

import typer

from zoho_tokenstore.cli.console import data, quantity
from zoho_tokenstore.cli.tables import print_table
from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.sdk import load
from zoho_tokenstore.storage.ids import SHORT_ID
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.testing.accounts import Account
from zoho_tokenstore.tokens.record import TokenRecord, mask

__all__ = ["register"]

USERS: Final = tuple(Account(f"{name}@example.com") for name in ("alice", "bob", "carol"))
WORKERS: Final = 16
"""Processes that use the store at the same time."""


class DemoFailedError(TokenStoreError):
    """A scene of the demonstration did not end as expected."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo() -> None:
    """Run a demonstration with three users: login, reuse, refresh and revocation of tokens."""
    load("zohocrmsdk")
    folder = Path(tempfile.mkdtemp(prefix="zoho-tokenstore-"))
    with LocalZoho() as zoho:
        Demo(zoho, folder).run()


@dataclass(frozen=True, slots=True)
class Demo:
    """One run of the demonstration.

    Attributes:
        zoho: Stand-in for Zoho.
        folder: Folder of the database file.
        key: Encryption key of the store.
    """

    zoho: LocalZoho
    folder: Path
    key: str = field(default_factory=Keyring.generate_key, repr=False)

    @property
    def url(self) -> str:
        """Database URL."""
        return f"sqlite:///{self.folder / 'tokens.db'}"

    def run(self) -> None:
        """Run all scenes.

        Raises:
            DemoFailedError: A scene did not end as expected.
        """
        data.print(
            f"store = SQLAlchemyTokenStore({self.url!r}, keyring=Keyring.from_text(…))", "bold"
        )

        self._show_logins()
        self._show_new_process()
        self._show_refresh()
        self._show_revocation()
        self._show_encryption()
        data.print()
        data.print(f"Database file: {self.folder / 'tokens.db'}")

    def _show_logins(self) -> None:
        data.print_title("Three users log in with grant tokens, and each reads a record")
        self._log_in(USERS)
        self._print_tokens(grants=3, refreshes=0)

    def _show_new_process(self) -> None:
        data.print_title(
            "A new process that only knows two user names needs no login and no refresh"
        )
        self._come_back(USERS[:2])
        self._print_tokens(grants=3, refreshes=0)

    def _show_refresh(self) -> None:
        data.print_title(
            f"An hour later Carol's token has expired: {WORKERS} processes share one refresh"
        )
        self._expire_access_token(USERS[2])
        self.zoho.delay = 1.0
        with data.status(f"starting {WORKERS} processes"):
            self._come_back(USERS[2:], processes=WORKERS)
        self._print_tokens(grants=3, refreshes=1)

    def _show_revocation(self) -> None:
        data.print_title("Alice leaves: her token is revoked at Zoho and removed from the store")
        (revoked,) = self._in_new_processes("revoke", USERS[0].user_name)
        _expect("Alice's token is revoked", holds=revoked)
        self._print_tokens(grants=3, refreshes=1)

    def _show_encryption(self) -> None:
        data.print_title("Bob's tokens as the database stores them")
        readable, sealed = self._stored_secrets(USERS[1])
        data.print(f"{sealed[:72]}…")
        _expect("the tokens are encrypted", holds=not readable and len(sealed) > len(self.key))

    def _expire_access_token(self, user: Account) -> None:
        """Let a user's access token expire, at Zoho and in the store."""
        sdk = load("zohocrmsdk")
        with _store(self.url, self.key) as store:
            for token in store.iter_tokens():
                record = sdk.read_token(token)
                if record.user_name == user.user_name:
                    self.zoho.accounts.refuse(record.access_token or "")
                    sdk.fill_token(token, {"expiry": int(time.time() * 1000)})
                    store.save_token(token)

    def _log_in(self, users: Sequence[Account]) -> None:
        grants = [self.zoho.grant(user.email) for user in users]
        self._check_visits(users, "log_in", grants)

    def _come_back(self, users: Sequence[Account], processes: int = 1) -> None:
        names = [user.user_name for user in users]
        self._check_visits(users, "come_back", names, processes)

    def _check_visits(
        self, users: Sequence[Account], method: str, argument: list[str], processes: int = 1
    ) -> None:
        for visits in self._in_new_processes(method, argument, processes):
            for user, visit in zip(users, visits, strict=True):
                _expect(f"{user.email} gets their own token", holds=visit.email == user.email)

    def _in_new_processes(
        self, method: str, argument: str | list[str], processes: int = 1
    ) -> list[Any]:
        zoho = (self.zoho.url, self.zoho.accounts_url)
        with ProcessPoolExecutor(processes, mp_context=_process_context()) as pool:
            work = (method, argument, self.url, self.key, zoho)
            calls = [pool.submit(_call, *work) for _ in range(processes)]
            return [call.result() for call in calls]

    def _print_tokens(self, *, grants: int, refreshes: int) -> None:
        with _store(self.url, self.key) as store:
            _print_table([load("zohocrmsdk").read_token(token) for token in store.iter_tokens()])
        sent = (self.zoho.count("grant"), self.zoho.count("refresh"))
        refreshed = quantity(sent[1], "refresh", "refreshes")
        data.print(f"Requests to Zoho so far: {quantity(sent[0], 'login')} and {refreshed}")
        _expect("Zoho gets no superfluous requests", holds=sent == (grants, refreshes))

    def _stored_secrets(self, user: Account) -> tuple[str | None, str]:
        """Return a user's refresh token and sealed secrets, as they are stored."""
        query = "SELECT refresh_token, sealed FROM oauthtoken WHERE user_name = ?"
        with closing(sqlite3.connect(self.folder / "tokens.db")) as connection:
            readable, sealed = connection.execute(query, (user.user_name,)).fetchone()
        return readable, sealed or ""


def _process_context() -> BaseContext:
    """Return the context whose processes import the SDK once for all, where there is one."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "zoho_tokenstore.sdk.application"])
    return context


def _store(url: str, key: str) -> SQLAlchemyTokenStore:
    return SQLAlchemyTokenStore(url, keyring=Keyring.from_text(key), sdk="zohocrmsdk")


def _call(
    method: str, argument: str | list[str], url: str, key: str, zoho: tuple[str, str]
) -> object:
    """Call a method of the application in a new process."""
    from zoho_tokenstore.sdk.application import Application  # noqa: PLC0415 - needs an SDK

    with tempfile.TemporaryDirectory() as folder, _store(url, key) as store:
        return getattr(Application(*zoho, Path(folder)), method)(store, argument)


def _expect(claim: str, *, holds: bool) -> None:
    if not holds:
        raise DemoFailedError(f"demonstration failed: expected that {claim}")


def _print_table(records: Sequence[TokenRecord]) -> None:
    rows = [
        (
            (record.id or "")[:SHORT_ID],
            record.user_name,
            mask(record.refresh_token or ""),
            mask(record.access_token or ""),
            time.strftime("%H:%M:%SZ", time.gmtime((record.expiry or 0) / 1000)),
        )
        for record in sorted(records, key=lambda record: record.user_name or "")
    ]
    print_table(("id", "user", "refresh token", "access token", "expires"), rows)
