"""One refresh per expiry: who refreshes, who waits, and who goes on with the valid token."""

import random
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Final, Literal, Protocol, cast
from uuid import uuid4

from zoho_tokenstore.errors import (
    DatabaseError,
    LoginRequiredError,
    RefreshFailedError,
    RefreshThrottledError,
    RefreshTimeoutError,
    TokenStoreError,
)
from zoho_tokenstore.policy import RefreshPolicy
from zoho_tokenstore.refresh import lease as protocol
from zoho_tokenstore.refresh.claims import LookupResult, RefreshClaim, credential_digest
from zoho_tokenstore.refresh.events import RefreshEvent, emit, log
from zoho_tokenstore.refresh.inflight import InflightRefresh, SingleFlight
from zoho_tokenstore.refresh.lease import Bid, Failure, Granted, Lease, Refused
from zoho_tokenstore.tokens.digests import Digest, digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["Clock", "Leases", "RefreshCoordinator"]

MARGIN: Final = 5000
"""Milliseconds before its expiry at which the SDKs take a token for expired (all of them)."""

POLL: Final = (0.03, 0.25)
"""Seconds between two looks at another's lease: the first, and the longest."""

Lookup = Callable[[], TokenRecord | None]


class Leases(Protocol):
    """Where leases are kept."""

    def read_lease(self, key: str) -> tuple[Lease, int]:
        """Return the lease and the time in epoch milliseconds."""

    def write_lease(self, key: str, lease: Lease) -> bool:
        """Store the successor of what was read; ``False`` if somebody was faster."""


class Clock(Protocol):
    """The time of this host, which the tests replace."""

    def time(self) -> float:
        """Return the seconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True)
class _RefreshRequest:
    """One lookup's way through the coordination.

    Attributes:
        key: The key of the lease.
        credential: The digest of the refresh or grant token.
        record: The token as it was found.
        lookup: Finds it again.
        early: Whether its access token is still valid.
        started: When it began, by the monotonic clock, in seconds.
    """

    key: str
    credential: str
    record: TokenRecord | None
    lookup: Lookup
    early: bool
    started: float


class RefreshCoordinator:
    """Coordinates the refreshes of one store with those of all others on the same table.

    Args:
        policy: The settings.
        leases: Where leases are kept.
        clock: The host's clock.
        digest: Digests the tokens that Zoho is asked with.
    """

    def __init__(
        self, policy: RefreshPolicy, leases: Leases, clock: Clock = time, digest: Digest = digest
    ) -> None:
        """Begin with nothing under way."""
        self.policy = policy
        self._leases = leases
        self._digest = digest
        self._clock = clock
        self._single_flight = SingleFlight()
        self._early = round(policy.early * 1000) or MARGIN

    def is_due(self, token: TokenRecord) -> bool:
        """Tell whether a token has expired or soon will, and can be refreshed."""
        if token.refresh_token is None:
            return False
        if token.access_token is None:
            return True
        return token.expiry is not None and token.expiry - self._now() < self._early

    def serve(self, token: TokenRecord, lookup: Lookup) -> LookupResult:
        """Hand out a token that is due: to be refreshed by the caller, or refreshed by another.

        Args:
            token: The stored token.
            lookup: Finds it again, as the caller would hand it out.

        Raises:
            RefreshError: It has expired, and there is nothing to hand out.
            DatabaseError: The database failed.
        """
        return self._take(
            _RefreshRequest(
                key=digest("id", token.id or ""),
                credential=credential_digest(token, self._digest),
                record=token,
                lookup=lookup,
                early=self._is_valid(token),
                started=self._clock.monotonic(),
            )
        )

    def log_in(self, wanted: TokenRecord, lookup: Lookup) -> LookupResult:
        """Hand out a login that is not stored: to be made by the caller, or made by another.

        Args:
            wanted: A token with a grant token or a refresh token.
            lookup: Finds what is stored of it.

        Raises:
            RefreshError: Another worker has tried, and failed.
            DatabaseError: The database failed.
        """
        credential = credential_digest(wanted, self._digest)
        now = self._clock.monotonic()
        return self._take(
            _RefreshRequest(credential, credential, None, lookup, early=False, started=now)
        )

    def succeeded(self, claim: RefreshClaim) -> None:
        """Take note that the new token is stored and the lease settled."""
        if not claim.settled:
            claim.settled = True
            claim.inflight.finish()
            self._tell("refreshed", claim)

    def came_late(self, claim: RefreshClaim) -> None:
        """Take note that a newer token was stored before this claim's was."""
        claim.settled = True
        claim.inflight.finish()
        self._tell("late", claim)

    def failed(self, claim: RefreshClaim, failure: Failure) -> None:
        """Release the lease and tell those who wait why."""
        if claim.settled:
            return
        claim.settled = True
        try:
            self._write(
                claim.key,
                lambda lease, now: protocol.fail(
                    lease, now, owner=claim.owner, failure=failure, policy=self.policy
                ),
            )
        except TokenStoreError as error:  # the lease ends by itself
            log.warning("a failed refresh could not be noted: %s", error)
        claim.inflight.finish(_failed(failure.reason))
        self._tell("failed", claim, failure.reason)

    def _take(self, turn: _RefreshRequest) -> LookupResult:
        deadline = turn.started + self.policy.wait
        inflight, mine = self._join(turn)
        while not mine:
            if turn.early:
                return LookupResult(turn.record)
            if served := self._finished(turn, inflight, deadline):
                return served
            inflight, mine = self._join(turn)
        if inflight.claim is not None:  # the same thread asks again before it has refreshed
            return LookupResult(turn.lookup(), cast("RefreshClaim", inflight.claim))
        return self._lead(turn, inflight, deadline)

    def _join(self, turn: _RefreshRequest) -> tuple[InflightRefresh, bool]:
        return self._single_flight.join(turn.key, self.policy.lease + self.policy.wait)

    def _finished(
        self, turn: _RefreshRequest, inflight: InflightRefresh, deadline: float
    ) -> LookupResult | None:
        """Wait for another thread; return what it has stored, raise why it has failed."""
        inflight.wait(deadline - self._clock.monotonic())
        if inflight.failure is not None:
            raise copy(inflight.failure) from inflight.failure
        if served := self._served_by_others(turn):
            return served
        self._check_patience(deadline)
        return None

    def _lead(
        self, turn: _RefreshRequest, inflight: InflightRefresh, deadline: float
    ) -> LookupResult:
        """Go ahead for the threads of this process."""
        try:
            served = self._negotiate(turn, inflight, deadline)
        except DatabaseError as error:
            inflight.finish(error)
            if not turn.early:
                raise
            log.warning("no early refresh: %s", error)
            return LookupResult(turn.record)
        except TokenStoreError as error:
            inflight.finish(error)
            raise
        except BaseException:
            inflight.finish()
            raise
        if served.claim is None:
            inflight.finish()
        return served

    def _negotiate(
        self, turn: _RefreshRequest, inflight: InflightRefresh, deadline: float
    ) -> LookupResult:
        """Agree with the other processes, by the lease in the database."""
        bid = Bid(uuid4().hex, turn.credential, turn.early)
        watched: Lease | None = None
        pause = POLL[0]
        while True:
            lease, now = self._leases.read_lease(turn.key)
            if watched and (served := self._ended(turn, watched, lease)):
                return served
            if lease.owner == bid.owner and lease.is_held(now):  # the answer to the write was lost
                return self._claimed(turn, inflight, bid.owner)
            decision = protocol.claim(lease, now, bid, self.policy)
            if isinstance(decision, Granted):
                if self._leases.write_lease(turn.key, decision.lease):
                    return self._claimed(turn, inflight, bid.owner)
                continue
            if isinstance(decision, Refused):
                return self._refused(turn, decision)
            if turn.early:
                return LookupResult(turn.record)
            self._check_patience(deadline)
            watched = lease
            self._clock.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter, no secret
            pause = min(pause * 1.5, POLL[1])

    def _ended(self, turn: _RefreshRequest, watched: Lease, lease: Lease) -> LookupResult | None:
        """Return what the worker that was waited for has stored; raise why it has failed."""
        if lease.version == watched.version:
            return None
        if served := self._served_by_others(turn):
            return served
        if lease.owner == watched.owner and lease.failure and not lease.until:
            raise _failed(lease.failure)
        return None

    def _claimed(
        self, turn: _RefreshRequest, inflight: InflightRefresh, owner: str
    ) -> LookupResult:
        """Look again, now that nobody else refreshes: somebody may have, a moment ago."""
        record = turn.lookup()
        if record is not None and self._is_newer(record, turn):
            self._write(turn.key, lambda lease, _: protocol.withdraw(lease, owner))
            return LookupResult(record)
        claim = RefreshClaim(turn.key, owner, inflight, record, turn.early, self._clock.monotonic())
        inflight.until = self._clock.monotonic() + self.policy.lease
        inflight.claim = claim
        return LookupResult(record, claim)

    def _served_by_others(self, turn: _RefreshRequest) -> LookupResult | None:
        """Return what another worker has stored meanwhile."""
        record = turn.lookup()
        if record is None or not self._is_newer(record, turn):
            return None
        self._tell_waited(turn, record)
        return LookupResult(record)

    def _is_newer(self, record: TokenRecord, turn: _RefreshRequest) -> bool:
        if not turn.early:
            return self._is_valid(record)
        return turn.record is not None and record.expiry != turn.record.expiry

    def _is_valid(self, token: TokenRecord) -> bool:
        if token.access_token is None:
            return False
        return token.expiry is None or token.expiry - self._now() >= MARGIN

    def _refused(self, turn: _RefreshRequest, refused: Refused) -> LookupResult:
        if turn.early:
            return LookupResult(turn.record)
        token_id = turn.record.id if turn.record else None
        waited = self._clock.monotonic() - turn.started
        emit(
            self.policy.on_event,
            RefreshEvent("refused", token_id, waited, reason=refused.failure or "throttled"),
        )
        if refused.failure:
            raise LoginRequiredError(
                f"Zoho has refused the stored login ({refused.failure}): log this user in again, "
                "with a new grant token, or save a new refresh token",
                refused.failure,
            )
        seconds = refused.milliseconds / 1000
        raise RefreshThrottledError(
            f"the access token has expired and was refreshed as often as Zoho allows: "
            f"try again in {seconds:.0f} seconds",
            seconds,
        )

    def _check_patience(self, deadline: float) -> None:
        if self._clock.monotonic() > deadline:
            raise RefreshTimeoutError(
                f"another worker has been refreshing this token for {self.policy.wait:.0f} "
                "seconds: try again"
            )

    def _write(self, key: str, change: Callable[[Lease, int], Lease | None]) -> None:
        """Change a lease, unless it has become another's."""
        while True:
            changed = change(*self._leases.read_lease(key))
            if changed is None or self._leases.write_lease(key, changed):
                return

    def _now(self) -> int:
        return int(self._clock.time() * 1000)

    def _tell(
        self,
        kind: Literal["refreshed", "failed", "late"],
        claim: RefreshClaim,
        reason: str | None = None,
    ) -> None:
        seconds = self._clock.monotonic() - claim.started
        token_id = claim.record.id if claim.record else None
        emit(self.policy.on_event, RefreshEvent(kind, token_id, seconds, claim.early, reason))

    def _tell_waited(self, turn: _RefreshRequest, record: TokenRecord) -> None:
        seconds = self._clock.monotonic() - turn.started
        emit(self.policy.on_event, RefreshEvent("waited", record.id, seconds))


def _failed(reason: str) -> TokenStoreError:
    if reason in protocol.PERMANENT:
        return LoginRequiredError(
            f"Zoho has refused the login ({reason}): log this user in again", reason
        )
    return RefreshFailedError(f"the refresh that this call waited for failed: {reason}", reason)
