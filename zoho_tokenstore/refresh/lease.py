"""The refresh lease: which worker may refresh a token now, computed without a database.

A worker reads the lease, computes the next one with a function of this module, and writes it if
no other worker has written since: compare and set, by ``version``. All times are the database's, in
epoch milliseconds, so that the workers' clocks do not matter.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from zoho_tokenstore.policy import RefreshPolicy

__all__ = [
    "CLIENT_FAULTS",
    "PERMANENT",
    "THROTTLED",
    "TOKEN_LENGTH",
    "Bid",
    "Clock",
    "Failure",
    "Granted",
    "Held",
    "Lease",
    "Leases",
    "Refused",
    "claim_lease",
    "fail_lease",
    "forget_failure",
    "is_late",
    "lease_after_login",
    "settle_lease",
    "withdraw_lease",
]

PERMANENT: Final = frozenset({"invalid_code"})
"""Zoho's errors that the same refresh token or grant token will meet again
(https://www.zoho.com/accounts/protocol/oauth/web-server-applications.html)."""

CLIENT_FAULTS: Final = frozenset({"invalid_client", "invalid_client_secret"})
"""Zoho's errors about the client that asks, whose users' logins are as good as before."""

TOKEN_LENGTH: Final = 32
"""Characters of a credential that are the refresh or grant token's, which Zoho's limits are for."""

FAILURE_LENGTH: Final = 200
"""Characters of a failure's reason that are kept."""

PAUSE: Final = 30.0
"""Seconds between early refreshes that fail: the token is still valid."""

THROTTLED: Final = "throttled"
"""The reason that is kept when Zoho has refused for the number of requests, in any language."""


class Lease(NamedTuple):
    """The worker that refreshes, or did last, and how that ended.

    Attributes:
        version: Counts the changes; 0 when nothing is stored yet.
        owner: The latest claim, a random name. It stays after the end, to identify its claim.
        until: When the claim ends by itself; 0 when it has been settled.
        credential: The digest of what the claim was about: the refresh or grant token, the client,
            and the accounts server.
        starts: When refreshes with its token began, within the budget's window.
        failure: Why the latest one failed.
        retry_at: When Zoho may be asked again: early after any failure, at all after a throttling.
    """

    version: int = 0
    owner: str | None = None
    until: int = 0
    credential: str | None = None
    starts: tuple[int, ...] = ()
    failure: str | None = None
    retry_at: int = 0

    def is_held(self, now: int) -> bool:
        """Return whether a worker is refreshing."""
        return now < self.until


class Leases(Protocol):
    """Storage of leases."""

    def read_lease(self, key: str) -> tuple[Lease, int]:
        """Return the lease and the time in epoch milliseconds."""

    def write_lease(self, key: str, lease: Lease) -> bool:
        """Store the successor of what was read; ``False`` if another worker was faster."""


class Clock(Protocol):
    """The clock of this host, which the tests replace."""

    def time(self) -> float:
        """Return the seconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True)
class Bid:
    """A worker's request for the lease.

    Attributes:
        owner: A name that no other claim has.
        credential: The digest of the token, the client and the accounts server of the refresh.
        early: Whether the access token is still valid.
    """

    owner: str
    credential: str
    early: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim can be made: the worker that writes this lease refreshes."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker is refreshing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No worker may refresh now.

    Attributes:
        failure: Zoho's error, if it was about the login or the client.
        milliseconds: The time to wait, 0 if waiting does not help.
    """

    failure: str | None = None
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a refresh failed.

    Attributes:
        reason: Zoho's error code, the kind of exception, or :data:`THROTTLED`.
        answered: Zoho has answered, so it has not issued a token.
    """

    reason: str
    answered: bool = True


def claim_lease(
    lease: Lease, now: int, bid: Bid, policy: RefreshPolicy
) -> Granted | Held | Refused:
    """Decide whether a worker may refresh.

    Args:
        lease: As it was read.
        now: The database's time.
        bid: The worker's request.
        policy: The settings.
    """
    if lease.is_held(now):
        return Held()
    starts: tuple[int, ...] = ()
    if (lease.credential or "")[:TOKEN_LENGTH] == bid.credential[:TOKEN_LENGTH]:
        if refused := _remembered_refusal(lease, now, bid):
            return refused
        window = _milliseconds(policy.budget_window)
        starts = tuple(start for start in lease.starts if start > now - window)
        if len(starts) >= policy.budget:
            return Refused(milliseconds=starts[-policy.budget] + window - now)
        # A token that lives for less than the early window is not refreshed on every call.
        recent = starts[-1] + _milliseconds(policy.early) - now if starts else 0
        if bid.early and lease.failure is None and recent > 0:
            return Refused(milliseconds=recent)
    until = now + _milliseconds(policy.lease)
    return Granted(Lease(lease.version + 1, bid.owner, until, bid.credential, (*starts, now)))


def _remembered_refusal(lease: Lease, now: int, bid: Bid) -> Refused | None:
    """Return what Zoho would answer again: about the token, or about all that was sent."""
    is_alike = lease.credential == bid.credential
    if is_alike and lease.failure in PERMANENT:
        return Refused(failure=lease.failure)
    fault = lease.failure if is_alike and lease.failure in CLIENT_FAULTS else None
    if now < lease.retry_at and (fault or bid.early or lease.failure == THROTTLED):
        return Refused(fault, lease.retry_at - now)
    return None


def settle_lease(lease: Lease, owner: str) -> Lease | None:
    """Return the lease after a success, ``None`` if it is another owner's now."""
    if lease.owner != owner:
        return None
    return lease._replace(version=lease.version + 1, until=0)


def lease_after_login(lease: Lease, now: int, *, owner: str, credential: str) -> Lease:
    """Return the lease of a token right after its login, which counts against the budget."""
    return Lease(lease.version + 1, owner, 0, credential, (now,))


def is_late(lease: Lease, owner: str) -> bool:
    """Return whether another worker has claimed the lease; a login deletes its lease."""
    return lease.owner not in (None, owner)


def withdraw_lease(lease: Lease, owner: str) -> Lease | None:
    """Return the lease of a worker with nothing to refresh, ``None`` if it is another owner's."""
    if lease.owner != owner:
        return None
    return lease._replace(version=lease.version + 1, until=0, starts=lease.starts[:-1])


def forget_failure(lease: Lease) -> Lease | None:
    """Return the lease without what Zoho has refused, ``None`` if it remembers nothing."""
    if lease.failure is None:
        return None
    return lease._replace(version=lease.version + 1, failure=None, retry_at=0)


def fail_lease(
    lease: Lease, now: int, *, owner: str, failure: Failure, policy: RefreshPolicy
) -> Lease | None:
    """Return the lease after a failure, ``None`` if it is another owner's now."""
    if lease.owner != owner:
        return None
    # A refused request does not count against the budget; a request without an answer does.
    starts = lease.starts[:-1] if failure.answered else lease.starts
    pause = policy.cooldown if failure.reason == THROTTLED else PAUSE
    return lease._replace(
        version=lease.version + 1,
        until=0,
        starts=starts,
        failure=failure.reason[:FAILURE_LENGTH],
        retry_at=now + _milliseconds(pause),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
