"""The refresh lease: who may refresh a token now, worked out without a database.

A worker reads the lease, works out the next one with a function of this module, and writes it if
nobody has written meanwhile: compare and set, by ``version``. All times are the database's, in
epoch milliseconds, so that the workers' clocks do not matter.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from zoho_tokenstore.policy import RefreshPolicy

__all__ = [
    "PERMANENT",
    "THROTTLED",
    "Bid",
    "Failure",
    "Granted",
    "Held",
    "Lease",
    "Refused",
    "claim",
    "fail",
    "is_late",
    "logged_in",
    "settle",
    "withdraw",
]

PERMANENT: Final = frozenset({"invalid_code", "invalid_client", "invalid_client_secret"})
"""Zoho's errors that the same refresh token or grant token will meet again
(https://www.zoho.com/accounts/protocol/oauth/web-server-applications.html)."""

FAILURE_LENGTH: Final = 200
"""Characters of a failure's reason that are kept."""

PAUSE: Final = 30.0
"""Seconds between early refreshes that fail: the token is still valid."""

THROTTLED: Final = "throttled"
"""The reason that is kept when Zoho has refused for the number of requests, in any language."""


class Lease(NamedTuple):
    """Who refreshes, or did last, and how that ended.

    Attributes:
        version: Counts the changes; 0 when nothing is stored yet.
        owner: The latest claim, a random name. It stays after the end, to tell whose end it was.
        until: When the claim ends by itself; 0 when it has been settled.
        credential: The digest of the refresh or grant token that the claim was about.
        starts: When refreshes with this credential began, within the budget's window.
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
        """Tell whether somebody is refreshing."""
        return now < self.until


@dataclass(frozen=True, slots=True)
class Bid:
    """Who wants to refresh.

    Attributes:
        owner: A name that no other claim has.
        credential: The digest of the token that the refresh would use.
        early: Whether the access token is still valid.
    """

    owner: str
    credential: str
    early: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim can be made: write this lease; whoever succeeds refreshes."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker is refreshing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody may refresh now.

    Attributes:
        failure: Zoho's error, if a new login is needed.
        milliseconds: Else how long to wait.
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


def claim(lease: Lease, now: int, bid: Bid, policy: RefreshPolicy) -> Granted | Held | Refused:
    """Decide whether a worker may refresh.

    Args:
        lease: As it was read.
        now: The database's time.
        bid: Who wants to refresh what.
        policy: The settings.
    """
    if lease.is_held(now):
        return Held()
    starts: tuple[int, ...] = ()
    if lease.credential == bid.credential:
        if lease.failure in PERMANENT:
            return Refused(failure=lease.failure)
        if now < lease.retry_at and (bid.early or lease.failure == THROTTLED):
            return Refused(milliseconds=lease.retry_at - now)
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


def settle(lease: Lease, owner: str) -> Lease | None:
    """Return the lease after a success, ``None`` if it is not this owner's any more."""
    if lease.owner != owner:
        return None
    return lease._replace(version=lease.version + 1, until=0, failure=None)


def logged_in(lease: Lease, now: int, *, owner: str, credential: str) -> Lease:
    """Return the lease of a token that has just been logged in with, which was no refresh yet."""
    return Lease(lease.version + 1, owner, 0, credential, (now,))


def is_late(lease: Lease, owner: str) -> bool:
    """Tell whether another has claimed the lease since; a login's is gone once it has been made."""
    return lease.owner not in (None, owner)


def withdraw(lease: Lease, owner: str) -> Lease | None:
    """Return the lease of somebody who found nothing to refresh, ``None`` if it is not theirs."""
    if lease.owner != owner:
        return None
    return lease._replace(version=lease.version + 1, until=0, starts=lease.starts[:-1])


def fail(
    lease: Lease, now: int, *, owner: str, failure: Failure, policy: RefreshPolicy
) -> Lease | None:
    """Return the lease after a failure, ``None`` if it is not this owner's any more."""
    if lease.owner != owner:
        return None
    # What Zoho has not issued does not count against the budget; without an answer nobody knows.
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
