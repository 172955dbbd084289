"""Refreshes under way in this process: what they may do, and how other threads wait for them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.forks import start_anew_in_children
from zoho_tokenstore.refresh.lease import TOKEN_LENGTH, Lease
from zoho_tokenstore.tokens.digests import Digest, digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = [
    "InflightRefresh",
    "Lookup",
    "LookupResult",
    "RefreshClaim",
    "RefreshRequest",
    "SingleFlight",
    "credential_digest",
    "is_credential_of",
    "login_digest",
]

SENT_LENGTH: Final = 48
"""Characters of a credential that tell what is sent; the rest tell to whom."""

Lookup: TypeAlias = Callable[[], TokenRecord | None]
"""Finds a token again, in the form that the caller of the coordinator will return."""


@dataclass(eq=False, slots=True)
class InflightRefresh:
    """One thread's refresh of a token, or its wait for another process's.

    Attributes:
        until: When it ends by itself, by the monotonic clock, in seconds.
        thread: The thread that refreshes.
        claim: The claim of that thread, once it has one.
        failure: Why it failed.
    """

    until: float
    thread: int = field(default_factory=threading.get_ident)
    claim: "RefreshClaim | None" = None
    failure: TokenStoreError | None = None
    _finished: threading.Event = field(default_factory=threading.Event)

    def finish(self, failure: TokenStoreError | None = None) -> None:
        """End it, and wake up the threads that wait."""
        self.failure = failure
        self._finished.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, for so many seconds at most."""
        self._finished.wait(min(seconds, max(0.0, self.until - time.monotonic())))

    @property
    def is_over(self) -> bool:
        """Return whether it has ended, or should have."""
        return self._finished.is_set() or time.monotonic() > self.until


@dataclass(eq=False, slots=True)
class RefreshClaim:
    """The right, and the duty, to refresh a token or to log in.

    Attributes:
        key: The key of the lease.
        lease: The lease as this claim has written it.
        inflight: The refresh that the other threads of this process wait for.
        record: The token as it was; ``None`` at a first login.
        early: Whether its access token is still valid.
        started: When it began, by the monotonic clock, in seconds.
        server: The accounts server that is asked.
        settled: Whether its end is known.
    """

    key: str
    lease: Lease
    inflight: InflightRefresh
    record: TokenRecord | None
    early: bool
    started: float
    server: str
    settled: bool = False

    def finish(self, failure: TokenStoreError | None = None) -> None:
        """End it, and wake up the threads that wait."""
        self.settled = True
        self.inflight.finish(failure)

    @property
    def owner(self) -> str:
        """Return the claim's name in the lease."""
        return self.lease.owner or ""

    @property
    def is_login(self) -> bool:
        """Return whether the claim is for a first login."""
        return self.record is None

    def is_needed_by(self, row: TokenRecord) -> bool:
        """Return whether a late result must be stored, so that a login is not lost."""
        return self.is_login and row.refresh_token is None

    def has_changed(self, row: TokenRecord, refreshed: TokenRecord) -> bool:
        """Return whether another worker has refreshed the row since the claim was made.

        The expiry does not tell: a worker that was stopped computes it when it continues.
        """
        before = None if self.record is None else self.record.access_token
        return row.access_token not in (None, before, refreshed.access_token)


class LookupResult(NamedTuple):
    """The result of a coordinated lookup.

    Attributes:
        record: The token, ``None`` if it is not stored yet.
        claim: The claim, if the caller is to refresh it or to log in.
    """

    record: TokenRecord | None
    claim: RefreshClaim | None = None


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """One lookup that is being coordinated.

    Attributes:
        key: The key of the lease.
        credential: The digest of the refresh or grant token.
        record: The token as it was found.
        lookup: Finds it again.
        early: Whether its access token is still valid.
        started: When it began, by the monotonic clock, in seconds.
        deadline: When it gives up waiting, by the same clock.
        server: The accounts server that is asked.
    """

    key: str
    credential: str
    record: TokenRecord | None
    lookup: Lookup
    early: bool
    started: float
    deadline: float
    server: str


class SingleFlight:
    """The refreshes under way in one store, by what is refreshed, and with what."""

    def __init__(self) -> None:
        """Start without any."""
        self.start_anew()
        start_anew_in_children(self)

    def start_anew(self) -> None:
        """Forget those of a parent process; its leases are in the database."""
        self._inflight: dict[str, InflightRefresh] = {}
        self._lock = threading.Lock()

    def join(self, key: str, seconds: float) -> tuple[InflightRefresh, bool]:
        """Return the refresh that is under way, and whether it is this thread's.

        Args:
            key: What is refreshed, and with what.
            seconds: How long a new one may take.
        """
        with self._lock:
            inflight = self._inflight.get(key)
            if inflight is not None and not inflight.is_over:
                return inflight, inflight.thread == threading.get_ident()
            self._inflight = {k: v for k, v in self._inflight.items() if not v.is_over}
            inflight = self._inflight[key] = InflightRefresh(time.monotonic() + seconds)
            return inflight, True


def login_digest(token: TokenRecord, digest: Digest = digest, *others: str) -> str:
    """Return the digest of the token that is sent to Zoho for an access token, and of others."""
    if token.refresh_token is not None:
        return digest("refresh", token.refresh_token, *others)
    return digest("grant", token.grant_token or "", *others)


def credential_digest(token: TokenRecord, digest: Digest, server: str) -> str:
    """Return the digest of all that Zoho decides by: the token, the client, and who is asked.

    What Zoho has refused is remembered for this alone: another secret, or another data center's
    server, is asked.

    Args:
        token: The token that is sent.
        digest: Digests secrets.
        server: The accounts server.
    """
    return _sent(token, digest) + digest("server", server)[SENT_LENGTH:]


def is_credential_of(credential: str | None, token: TokenRecord, digest: Digest) -> bool:
    """Return whether this is the credential of a stored token, at any accounts server."""
    return credential is not None and credential[:SENT_LENGTH] == _sent(token, digest)


def _sent(token: TokenRecord, digest: Digest) -> str:
    client = (token.client_id or "", token.client_secret or "")
    own = login_digest(token, digest)[:TOKEN_LENGTH]
    return own + login_digest(token, digest, *client)[TOKEN_LENGTH:SENT_LENGTH]
