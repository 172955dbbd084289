"""One refresh per expiry: one worker refreshes, the others wait or use the valid token."""

import time
from collections.abc import Callable
from copy import copy
from random import SystemRandom
from typing import Final
from uuid import uuid4

from zoho_tokenstore.errors import DatabaseError, RefreshTimeoutError, TokenStoreError
from zoho_tokenstore.policy import RefreshPolicy
from zoho_tokenstore.refresh.events import Events, log
from zoho_tokenstore.refresh.failures import failure_error, refusal_error
from zoho_tokenstore.refresh.inflight import (
    InflightRefresh,
    Lookup,
    LookupResult,
    RefreshClaim,
    RefreshRequest,
    SingleFlight,
    credential_digest,
    login_digest,
)
from zoho_tokenstore.refresh.lease import (
    PERMANENT,
    THROTTLED,
    Bid,
    Clock,
    Failure,
    Granted,
    Lease,
    Leases,
    Refused,
    claim_lease,
    fail_lease,
    forget_failure,
    withdraw_lease,
)
from zoho_tokenstore.tokens.digests import Digest, digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["MARGIN", "RefreshCoordinator"]

MARGIN: Final = 5000
"""Milliseconds before its expiry at which every SDK treats a token as expired."""

POLL: Final = (0.03, 0.25)
"""Seconds between two reads of another worker's lease: the first, and the longest."""

_jitter: Final = SystemRandom()


class RefreshCoordinator:
    """Coordinates the refreshes of one store with those of all others on the same table.

    Args:
        policy: The settings.
        leases: Storage of the leases.
        clock: The host's clock.
        digest: Digests the tokens that are sent to Zoho.
        on_refused: Called with a stored token whose login Zoho has refused for good, before that is
            recorded.
    """

    def __init__(
        self,
        policy: RefreshPolicy,
        leases: Leases,
        clock: Clock = time,
        digest: Digest = digest,
        on_refused: Callable[[TokenRecord], None] = lambda _: None,
    ) -> None:
        """Start without any refresh."""
        self.policy = policy
        self._leases = leases
        self._on_refused = on_refused
        self._digest = digest
        self._clock = clock
        self._single_flight = SingleFlight()
        self._events = Events(policy.on_event, clock)
        self._early = round(policy.early * 1000) or MARGIN

    def is_due(self, token: TokenRecord | None, wanted: TokenRecord | None = None) -> bool:
        """Return whether Zoho has to be asked for an access token now or soon.

        Args:
            token: The stored token, ``None`` if it is not stored.
            wanted: The token of the lookup, which can log in if none is stored.
        """
        if token is None:
            return wanted is not None and bool(wanted.grant_token or wanted.refresh_token)
        return token.is_due(int(self._clock.time() * 1000), self._early)

    def claim_refresh(self, token: TokenRecord, lookup: Lookup, server: str) -> LookupResult:
        """Return a due token: with a claim to refresh it, or refreshed by another worker.

        Args:
            token: The stored token.
            lookup: Finds it again, in the form that the caller will return.
            server: The accounts server that will be asked.

        Raises:
            RefreshError: The token has expired, and no valid one is stored.
            DatabaseError: The database failed.
        """
        return self._claim(digest("id", token.id or ""), token, token, lookup, server)

    def claim_login(self, wanted: TokenRecord, lookup: Lookup, server: str) -> LookupResult:
        """Return a login that is not stored yet: with a claim to log in, or made by another worker.

        Args:
            wanted: A token with a grant token or a refresh token.
            lookup: Finds what is stored of it.
            server: The accounts server that will be asked.

        Raises:
            RefreshError: Another worker has tried, and failed.
            DatabaseError: The database failed.
        """
        return self._claim(login_digest(wanted, self._digest), wanted, None, lookup, server)

    def forget_failure(self, token: TokenRecord) -> None:
        """Let Zoho be asked again for a stored token, whatever it has refused."""
        self._change_lease(digest("id", token.id or ""), lambda lease, _: forget_failure(lease))

    def settle_claim(self, claim: RefreshClaim, *, is_late: bool = False) -> None:
        """Record that the new token is stored, or that a newer one was, before this claim's."""
        if not claim.settled:
            claim.finish()
            self._events.report_end("late" if is_late else "refreshed", claim)

    def fail_claim(self, claim: RefreshClaim, failure: Failure) -> None:
        """Release the lease; threads and processes that wait get the reason."""
        if claim.settled:
            return
        try:
            if claim.record is not None and failure.reason in PERMANENT:
                self._on_refused(claim.record)
            self._change_lease(
                claim.key,
                lambda lease, now: fail_lease(
                    lease, now, owner=claim.owner, failure=failure, policy=self.policy
                ),
            )
        except TokenStoreError as error:  # the lease ends by itself
            log.warning("a failed refresh could not be recorded: %s", error)
        claim.finish(failure_error(failure.reason, self.policy.cooldown))
        self._events.report_end("failed", claim, failure.reason)

    def _claim(
        self, key: str, sent: TokenRecord, record: TokenRecord | None, lookup: Lookup, server: str
    ) -> LookupResult:
        credential = credential_digest(sent, self._digest, server)
        started = self._clock.monotonic()
        early = record is not None and self.is_valid(record)
        deadline = started + self.policy.wait
        longest = self.policy.lease + self.policy.wait
        request = RefreshRequest(key, credential, record, lookup, early, started, deadline, server)
        flight = key + credential  # a thread that sends another one gets another answer
        inflight, mine = self._single_flight.join(flight, longest)
        while not mine:
            if early:
                return LookupResult(record)
            if served := self._wait_for_thread(request, inflight):
                return served
            inflight, mine = self._single_flight.join(flight, longest)
        if inflight.claim is not None:  # the same thread asks again before it has refreshed
            return LookupResult(lookup(), inflight.claim)
        return self._lead(request, inflight)

    def _wait_for_thread(
        self, request: RefreshRequest, inflight: InflightRefresh
    ) -> LookupResult | None:
        """Wait for another thread; return what it has stored, raise why it has failed."""
        inflight.wait(request.deadline - self._clock.monotonic())
        if inflight.failure is not None:
            raise copy(inflight.failure) from inflight.failure
        if served := self._refreshed_by_other(request):
            return served
        self._check_deadline(request)
        return None

    def _lead(self, request: RefreshRequest, inflight: InflightRefresh) -> LookupResult:
        """Negotiate on behalf of all threads of this process."""
        try:
            served = self._negotiate(request, inflight)
        except DatabaseError as error:
            inflight.finish(error)
            if not request.early:
                raise
            log.warning("no early refresh: %s", error)
            return LookupResult(request.record)
        except TokenStoreError as error:
            inflight.finish(error)
            raise
        except BaseException:
            inflight.finish()
            raise
        if served.claim is None:
            inflight.finish()
        return served

    def _negotiate(self, request: RefreshRequest, inflight: InflightRefresh) -> LookupResult:
        """Agree with the other processes, by the lease in the database."""
        bid = Bid(uuid4().hex, request.credential, request.early)
        seen: Lease | None = None
        pause = POLL[0]
        while True:
            lease, now = self._leases.read_lease(request.key)
            if seen and (served := self._outcome_of_other(request, seen, lease)):
                return served
            if lease.owner == bid.owner and lease.is_held(now):  # the answer to the write was lost
                return self._hold(request, inflight, lease)
            decision = claim_lease(lease, now, bid, self.policy)
            if isinstance(decision, Granted):
                if self._leases.write_lease(request.key, decision.lease):
                    return self._hold(request, inflight, decision.lease)
                continue
            if request.early:
                return LookupResult(request.record)
            if isinstance(decision, Refused):
                token_id = request.record.id if request.record else None
                reason = decision.failure or THROTTLED
                self._events.report("refused", token_id, request.started, reason=reason)
                raise refusal_error(decision)
            self._check_deadline(request)
            seen = lease
            self._clock.sleep(_jitter.uniform(pause / 2, pause))
            pause = min(pause * 1.5, POLL[1])

    def _outcome_of_other(
        self, request: RefreshRequest, seen: Lease, lease: Lease
    ) -> LookupResult | None:
        """Return what the awaited worker has stored; raise why it has failed."""
        if lease.version == seen.version:
            return None
        if served := self._refreshed_by_other(request):
            return served
        # Another secret, or another server, was not refused by what this one would have met.
        is_alike = (lease.owner, lease.credential) == (seen.owner, request.credential)
        if is_alike and lease.failure and not lease.until:
            raise failure_error(lease.failure, self.policy.cooldown)
        return None

    def _hold(
        self, request: RefreshRequest, inflight: InflightRefresh, lease: Lease
    ) -> LookupResult:
        """Look again, now that no other worker refreshes: one may have, a moment ago."""
        record = request.lookup()
        if record is not None and self._is_newer(record, request):
            owner = lease.owner or ""
            self._change_lease(request.key, lambda lease, _: withdraw_lease(lease, owner))
            return LookupResult(record)
        now = self._clock.monotonic()
        before = record or request.record  # a row deleted just now needs no login
        inflight.until = now + self.policy.lease
        inflight.claim = claim = RefreshClaim(
            request.key, lease, inflight, before, request.early, now, request.server
        )
        return LookupResult(record, claim)

    def _refreshed_by_other(self, request: RefreshRequest) -> LookupResult | None:
        record = request.lookup()
        if record is None or not self._is_newer(record, request):
            return None
        self._events.report("waited", record.id, request.started)
        return LookupResult(record)

    def _is_newer(self, record: TokenRecord, request: RefreshRequest) -> bool:
        if not request.early:
            return self.is_valid(record)
        return request.record is not None and record.expiry != request.record.expiry

    def is_valid(self, token: TokenRecord) -> bool:
        """Return whether Zoho still accepts the access token, as far as is known."""
        if token.access_token is None:
            return False
        return token.expiry is None or token.expiry - int(self._clock.time() * 1000) >= MARGIN

    def _check_deadline(self, request: RefreshRequest) -> None:
        if self._clock.monotonic() > request.deadline:
            seconds = f"{self.policy.wait:.0f} seconds"
            raise RefreshTimeoutError(f"another worker has been refreshing for {seconds}; retry")

    def _change_lease(self, key: str, change: Callable[[Lease, int], Lease | None]) -> None:
        """Change a lease, unless it has become another's."""
        while True:
            changed = change(*self._leases.read_lease(key))
            if changed is None or self._leases.write_lease(key, changed):
                return
