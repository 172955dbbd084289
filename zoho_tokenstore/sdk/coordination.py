"""The SDK's lookups and saves, coordinated: whose turn it is to refresh, and how the turn ends."""

from collections.abc import Callable
from typing import Any

from zoho_tokenstore.errors import LoginRequiredError, TokenStoreError
from zoho_tokenstore.refresh.claims import LookupResult, RefreshClaim
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.events import log
from zoho_tokenstore.refresh.lease import Failure
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.completion import EXPIRED, is_new_login, usable
from zoho_tokenstore.sdk.watching import asked_by_sdk, can_be_watched, release, watch, watched_by
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["Keep", "PendingRefresh", "SDKRefreshes"]

Find = Callable[[], TokenRecord | None]
Complete = Callable[[TokenRecord], TokenRecord | None]
Keep = Callable[[TokenRecord, RefreshClaim], tuple[str, TokenRecord | None]]


class SDKRefreshes:
    """What a store does about refreshes, for one SDK.

    Args:
        sdk: The SDK's binding.
        refresher: Decides whose turn it is.
        find_by_id: Returns what is stored under an id.
        keep: Saves a refreshed token for a claim; returns its id, and the row that is newer if the
            claim came late.
    """

    def __init__(
        self,
        sdk: SDKBinding,
        refresher: RefreshCoordinator,
        find_by_id: Callable[[str], TokenRecord | None],
        keep: Keep,
    ) -> None:
        """Begin with nobody's turn."""
        self.sdk = sdk
        self.refresher = refresher
        self.find_by_id = find_by_id
        self.keep = keep

    def are_needed(
        self, wanted: TokenRecord, found: TokenRecord | None, token: object = None
    ) -> bool:
        """Tell whether the SDK will ask Zoho with what this lookup gives it.

        Args:
            wanted: What the SDK's token holds.
            found: What is stored of it.
            token: The SDK's token, if it is that one which may be handed over.
        """
        if found is not None:
            due = self.refresher.is_due(found)
        else:
            due = bool(wanted.grant_token or wanted.refresh_token)
        if not due or not (token is None or can_be_watched(token, self.sdk.coordinated_type)):
            return False
        return asked_by_sdk()

    def take(
        self, wanted: TokenRecord, found: TokenRecord | None, find: Find, complete: Complete
    ) -> LookupResult:
        """Hand out what is found: as it is, refreshed by another worker, or with a claim.

        Args:
            wanted: What the SDK's token holds.
            found: The row.
            find: Finds it again.
            complete: Makes of a row what the SDK gets.

        Raises:
            RefreshError: There is nothing to hand out.
            DatabaseError: The database failed.
        """

        def lookup() -> TokenRecord | None:
            row = find()
            return None if row is None else complete(row)

        def login() -> TokenRecord | None:
            row = find()
            return None if row is None or is_new_login(wanted, row) else complete(row)

        record = None if found is None else complete(found)
        if record is None or found is None:
            return self.refresher.log_in(wanted, lookup)
        if not self.refresher.is_due(record):
            return LookupResult(record)
        try:
            return self.refresher.serve(record, lookup)
        except LoginRequiredError:
            if not is_new_login(wanted, found):
                raise
            return self.refresher.log_in(wanted, login)

    def hand_over(self, token: Any, claim: RefreshClaim | None) -> None:  # noqa: ANN401 - untyped SDK
        """Make the SDK refresh this token, or log in with it, and watch how that ends."""
        if claim is not None:
            if claim.record is not None:
                self.sdk.fill(token, {"expiry": EXPIRED})
            watch(token, self.sdk.coordinated_type, PendingRefresh(self, claim))

    def save(self, token: Any, record: TokenRecord) -> str | None:  # noqa: ANN401 - untyped SDK
        """Save a token that this store has handed over; return its id, ``None`` if it is another.

        Raises:
            DatabaseError: The database failed; the claim is still held.
        """
        turn = watched_by(token)
        if not isinstance(turn, PendingRefresh) or turn.claim is None:
            return None
        claim, before = turn.claim, turn.claim.settled
        if turn.kept:
            release(token)
            return record.id
        key, newer = self.keep(record, claim)
        if newer is None:
            self.refresher.succeeded(claim)
        else:
            self.sdk.fill(token, newer.known())
            self.refresher.came_late(claim)
        if before or claim.record is None:  # this was the SDK's own save: nothing comes after it
            release(token)
        return key

    def has_unsaved_login(self, token: Any) -> bool:  # noqa: ANN401 - untyped SDK
        """Tell whether the SDK has logged in with this token and failed to save it (since 6-0)."""
        turn = watched_by(token)
        if not isinstance(turn, PendingRefresh) or turn.claim is None or turn.claim.settled:
            return False
        return turn.claim.record is None and self.sdk.read(token).access_token is not None

    def watch_own_copy(self, token: Any) -> None:  # noqa: ANN401 - untyped SDK
        """Watch a token that the SDK will refresh without asking the store (contract B)."""
        unwatched = watched_by(token) is None
        if (
            self.sdk.keeps_own_copy
            and unwatched
            and can_be_watched(token, self.sdk.coordinated_type)
        ):
            watch(token, self.sdk.coordinated_type, PendingRefresh(self, None))


class PendingRefresh:
    """One token's turn; see :class:`zoho_tokenstore.sdk.coordinated_token.RefreshObserver`.

    Args:
        turns: The store's.
        claim: What it may refresh, ``None`` before it has asked.
    """

    def __init__(self, turns: SDKRefreshes, claim: RefreshClaim | None) -> None:
        """Wait for the SDK."""
        self._turns = turns
        self.claim = claim
        self.kept = False

    @property
    def http_timeout(self) -> float:
        """Seconds that Zoho may take."""
        return self._turns.refresher.policy.http_timeout

    def begin(self, token: Any) -> bool:  # noqa: ANN401 - untyped SDK
        """Claim the refresh, unless that has been done; ``False`` if it is not needed any more."""
        if self.claim is not None and not self.claim.settled:
            return True
        turns = self._turns
        record = turns.sdk.read(token)

        def lookup() -> TokenRecord | None:
            row = None if record.id is None else turns.find_by_id(record.id)
            return None if row is None else usable(row)

        served = turns.refresher.serve(record, lookup)
        self.claim = served.claim
        if served.claim is None and served.record is not None:
            turns.sdk.fill(token, served.record.known())
            return False
        return True

    def succeeded(self, token: Any) -> None:  # noqa: ANN401 - untyped SDK
        """Store the token, unless the SDK has done so within its refresh.

        A first login is left to the SDK, which asks for the user's name before it saves (since
        6-0): whoever found it without one would go on under another name than everybody else.
        """
        if self.claim is None or (self.claim.record is None and not self.claim.settled):
            return
        if self.claim.settled:
            self._end(token)
            return
        try:
            turns = self._turns
            turns.sdk.fill(token, {"id": turns.save(token, turns.sdk.read(token)) or ""})
        except TokenStoreError as error:  # the SDK saves it again, and the lease ends by itself
            log.warning("a refreshed token could not be stored: %s", error)

    def failed(self, token: Any, failure: Failure) -> bool:  # noqa: ANN401 - untyped SDK
        """Release the claim; tell whether the token is still valid."""
        claim = self.claim
        if claim is None:
            return False
        self._turns.refresher.failed(claim, failure)
        before = claim.record
        if not claim.early or before is None or before.expiry is None:
            self._end(token)
            return False
        if self._turns.sdk.read(token).access_token == before.access_token:
            self._turns.sdk.fill(token, {"expiry": before.expiry})
            self.kept = True
        return True

    def _end(self, token: Any) -> None:  # noqa: ANN401 - untyped SDK
        self.claim = None
        if not self._turns.sdk.keeps_own_copy:
            release(token)
