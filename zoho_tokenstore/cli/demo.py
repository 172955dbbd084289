"""``zoho-tokenstore demo``: the real SDK on a real store, with Zoho played by ``LocalZoho``."""

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.sdk import load
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.testing.accounts import Account
from zoho_tokenstore.tokens.record import TokenRecord, mask

__all__ = ["register"]

USERS: Final = tuple(Account(f"{name}@example.com") for name in ("alice", "bob", "carol"))
SHORT_LIFE: Final = 12.0
"""Seconds that Carol's first access token lives: enough to log in, little to wait for."""

CROWD: Final = 16

out: Final = Console(highlight=False)


class DemoFailedError(TokenStoreError):
    """The demonstration did not show what it promises."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo() -> None:
    """Show three users logging in, coming back, being refreshed and revoked."""
    load("zohocrmsdk")
    folder = Path(tempfile.mkdtemp(prefix="zoho-tokenstore-"))
    with LocalZoho() as zoho:
        Demo(zoho, folder).run()


@dataclass(frozen=True, slots=True)
class Demo:
    """One run: a local Zoho, and a folder for the database.

    Attributes:
        zoho: The stand-in for Zoho.
        folder: Where the database file and the SDK's own files go.
        key: What the tokens are encrypted with.
    """

    zoho: LocalZoho
    folder: Path
    key: str = field(default_factory=Keyring.generate_key, repr=False)

    @property
    def url(self) -> str:
        """The database URL."""
        return f"sqlite:///{self.folder / 'tokens.db'}"

    def run(self) -> None:
        """Play all scenes.

        Raises:
            DemoFailedError: A scene did not end as it should.
        """
        alice, bob, carol = USERS
        out.print(
            f"store = SQLAlchemyTokenStore({self.url!r}, keyring=Keyring.from_text(…))",
            style="bold",
            soft_wrap=True,
        )

        _title("Three users log in with grant tokens, and each reads a record")
        self._log_in([alice, bob])
        self.zoho.accounts.lifetime = SHORT_LIFE
        self._log_in([carol])
        expired = time.time() + SHORT_LIFE
        self.zoho.accounts.lifetime = 3600.0
        self._show(grants=3, refreshes=0)

        _title("A new process knows only two user names: no login, no refresh")
        self._come_back([alice, bob])
        self._show(grants=3, refreshes=0)

        _title(f"Carol's access token has expired, and {CROWD} processes need it: one refresh")
        with out.status("waiting for it to expire"):
            time.sleep(max(0.0, expired - time.time()))
        self.zoho.delay = 1.0
        with out.status(f"{CROWD} processes start"):
            self._come_back([carol], processes=CROWD)
        self._show(grants=3, refreshes=1)

        _title("Alice leaves: revoked at Zoho, removed from the store")
        (revoked,) = self._in_new_processes("revoke", alice.user_name)
        _expect(revoked, "Alice's token was revoked")
        self._show(grants=3, refreshes=1)
        _title("What whoever reads the database sees of Bob's refresh token")
        seen = self._seen_by_others(bob)
        out.print(f"{seen[:72]}…")
        _expect(seen.startswith("zts1:"), "the refresh token is encrypted")
        out.print(f"\nThe database file stays at {self.folder / 'tokens.db'}", soft_wrap=True)

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
                own = visit.email == user.email
                _expect(own, f"{user.email} is served with a token of their own")

    def _in_new_processes(
        self, method: str, argument: str | list[str], processes: int = 1
    ) -> list[Any]:
        zoho = (self.zoho.url, self.zoho.accounts_url)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            work = (method, argument, self.url, self.key, zoho)
            calls = [pool.submit(_call, *work) for _ in range(processes)]
            return [call.result() for call in calls]

    def _show(self, *, grants: int, refreshes: int) -> None:
        with _store(self.url, self.key) as store:
            out.print(
                _table([load("zohocrmsdk").read_token(token) for token in store.iter_tokens()])
            )
        asked = (self.zoho.count("grant"), self.zoho.count("refresh"))
        out.print(f"Zoho was asked for {asked[0]} logins and {asked[1]} refreshes so far")
        _expect(asked == (grants, refreshes), "Zoho was asked as often as it had to be")

    def _seen_by_others(self, user: Account) -> str:
        query = "SELECT refresh_token FROM oauthtoken WHERE user_name = ?"
        with closing(sqlite3.connect(self.folder / "tokens.db")) as connection:
            (seen,) = connection.execute(query, (user.user_name,)).fetchone()
        return str(seen)


def _store(url: str, key: str) -> SQLAlchemyTokenStore:
    return SQLAlchemyTokenStore(url, keyring=Keyring.from_text(key), sdk="zohocrmsdk")


def _call(
    method: str, argument: str | list[str], url: str, key: str, zoho: tuple[str, str]
) -> object:
    """Run one method of the application, in a process of its own."""
    from zoho_tokenstore.sdk.application import Application  # noqa: PLC0415 - needs an SDK

    with (
        tempfile.TemporaryDirectory() as folder,
        _store(url, key) as store,
    ):
        return getattr(Application(*zoho, Path(folder)), method)(store, argument)


def _expect(shown: bool, what: str) -> None:  # noqa: FBT001 - an assertion
    if not shown:
        raise DemoFailedError(f"the demonstration failed; it should be that {what}")


def _title(text: str) -> None:
    out.print()
    out.rule(f"[bold]{text}[/bold]", align="left")


def _table(records: Sequence[TokenRecord]) -> Table:
    table = Table("id", "user", "refresh token", "access token", "expires (UTC)")
    for record in sorted(records, key=lambda record: record.user_name or ""):
        expires = time.strftime("%H:%M:%S", time.gmtime((record.expiry or 0) / 1000))
        table.add_row(
            f"{(record.id or '')[:8]}…",
            record.user_name,
            mask(record.refresh_token or ""),
            mask(record.access_token or ""),
            expires,
        )
    return table
