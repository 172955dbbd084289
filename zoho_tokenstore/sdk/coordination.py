"""The SDK's lookups and saves, coordinated: which call refreshes, and how its refresh ends."""

import inspect
from collections.abc import Callable
from typing import Final, TypeAlias

from zoho_tokenstore.errors import LoginRequiredError, TokenStoreError
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.events import log
from zoho_tokenstore.refresh.failures import failure_error
from zoho_tokenstore.refresh.inflight import Lookup, LookupResult, RefreshClaim
from zoho_tokenstore.refresh.lease import Failure
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.completion import is_new_login, usable_token
from zoho_tokenstore.sdk.coordinated_token import ATTRIBUTE, coordinated_type, observer_of
from zoho_tokenstore.sdk.types import SDKToken
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import EXPIRED, TokenRecord

__all__ = ["Complete", "PendingRefresh", "SDKRefreshes", "SaveClaimed", "called_by_sdk"]

Complete: TypeAlias = Callable[[TokenRecord], TokenRecord | None]
SaveClaimed: TypeAlias = Callable[[TokenRecord, RefreshClaim], tuple[str, TokenRecord | None]]

SDK_LOOKUPS: Final = ("authenticate", "get_token")
"""The SDK's methods that look a token up in order to use it (A and B; C). Its ``revoke()``, and an
application's own lookup, do not refresh the token that they find."""


TWICE: Final = 2


class SDKRefreshes:
    """The refreshes of one store by one SDK.

    Args:
        sdk: The SDK's binding.
        coordinator: Decides which worker refreshes.
        find_by_id: Returns the record that is stored under an id.
        is_outdated: Returns whether a token's refresh token is one that its row has superseded.
        save_claimed: Saves a refreshed token for a claim; returns its id, and the row that is newer
            if the claim came late.
    """

    def __init__(
        self,
        sdk: SDKBinding,
        coordinator: RefreshCoordinator,
        find_by_id: Callable[[str], TokenRecord | None],
        is_outdated: Callable[[TokenRecord, TokenRecord], bool],
        save_claimed: SaveClaimed,
    ) -> None:
        """Prepare the subclass of the SDK's token."""
        self.sdk = sdk
        self.coordinator = coordinator
        self.find_by_id = find_by_id
        self.is_outdated = is_outdated
        self.save_claimed = save_claimed
        self._coordinated_type = coordinated_type(sdk.token_type)
        self._logins: dict[str, int] = {}

    @property
    def server(self) -> str:
        """Return the accounts server that the SDK asks for this thread's user."""
        current = self.sdk.initializer.get_initializer()
        environment = None if current is None else current.environment
        return "" if environment is None else str(environment.accounts_url)

    def are_asked_for(self, token: SDKToken) -> bool:
        """Return whether the SDK has called, and will refresh a token that can be observed.

        Args:
            token: The SDK's token, ``None`` if a new one will be returned.
        """
        return (token is None or self._can_observe(token)) and called_by_sdk()

    def resolve_lookup(
        self, wanted: TokenRecord, found: TokenRecord | None, find: Lookup, complete: Complete
    ) -> LookupResult:
        """Return the record as it is, refreshed by another worker, or with a claim.

        Args:
            wanted: The fields of the SDK's token.
            found: The row.
            find: Finds it again.
            complete: Turns a row into the record that the SDK gets.

        Raises:
            RefreshError: No valid token can be returned.
            DatabaseError: The database failed.
        """

        def lookup() -> TokenRecord | None:
            row = find()
            return None if row is None else complete(row)

        def lookup_login() -> TokenRecord | None:
            row = find()
            return None if row is None or is_new_login(wanted, row) else complete(row)

        record = None if found is None else complete(found)
        if record is None or found is None:
            self._notice_lost_login(wanted)
            return self.coordinator.claim_login(wanted, lookup, self.server)
        if not self.coordinator.is_due(record):
            return LookupResult(record)
        try:
            return self.coordinator.claim_refresh(record, lookup, self.server)
        except LoginRequiredError:
            if not is_new_login(wanted, found):
                raise
            return self.coordinator.claim_login(wanted, lookup_login, self.server)

    def _notice_lost_login(self, wanted: TokenRecord) -> None:
        """Say once that a refresh token is not found any more that this process has used before.

        Of deployments with a refresh token each for one user, of whom they do not know the name,
        only one has that of the row; the others refresh at every start.
        """
        if wanted.refresh_token is None or wanted.user_name is not None:
            return
        key = digest("refresh", wanted.refresh_token)
        times = self._logins[key] = self._logins.get(key, 0) + 1
        if times == TWICE:
            log.warning(
                "a refresh token that this process has used is not stored any more: another login "
                "of the same user has replaced it, or it was deleted; let each worker name the "
                "user, with OAuthToken(user_signature=UserSignature(name)) or acting_as(name)"
            )

    def assign_claim(self, token: SDKToken, claim: RefreshClaim) -> None:
        """Make the SDK refresh this token, or log in with it, and observe how that ends."""
        if not claim.is_login:
            self.sdk.fill_token(token, {"expiry": EXPIRED})
        self._observe(token, PendingRefresh(self, claim))

    def save_refreshed(self, token: SDKToken, record: TokenRecord) -> str | None:
        """Save a token that has a claim; return its id, ``None`` if it has none.

        Since 6-0 the SDK saves a token after its refresh, when the refresh has been stored already.
        That save is recognized by the record; one that the application has changed is stored.

        Raises:
            DatabaseError: The database failed; the claim is still held.
        """
        pending = observer_of(token)
        if not isinstance(pending, PendingRefresh):
            return None
        if pending.stored == record:
            self._release(token)
            return record.id
        claim = pending.claim
        if claim is None:
            return None
        is_last = claim.settled or claim.is_login  # the SDK's own save, not one of the refresh
        key, newer = self.save_claimed(record, claim)
        if newer is None:
            self.coordinator.settle_claim(claim)
            pending.stored = record.with_id(key)
        else:
            self.sdk.fill_token(token, newer.known())
            self.coordinator.settle_claim(claim, is_late=True)
            pending.stored = self.sdk.read_token(token)
        if is_last:
            self._release(token)
        return key

    def has_unsaved_login(self, token: SDKToken) -> bool:
        """Return whether the SDK has logged in with this token and failed to save it (6-0 on)."""
        pending = observer_of(token)
        if not isinstance(pending, PendingRefresh) or pending.claim is None:
            return False
        if pending.claim.settled or not pending.claim.is_login:
            return False
        return self.sdk.read_token(token).access_token is not None

    def observe_own_copy(self, token: SDKToken) -> None:
        """Observe a token that the SDK will refresh without asking the store (contract B)."""
        if self.sdk.keeps_own_copy and observer_of(token) is None and self._can_observe(token):
            self._observe(token, PendingRefresh(self, None))

    def end_refresh(self, token: SDKToken, pending: "PendingRefresh") -> None:
        """Stop observing the token, unless the SDK will refresh it without asking the store."""
        pending.claim = pending.stored = None
        if not self.sdk.keeps_own_copy:
            self._release(token)

    def _can_observe(self, token: SDKToken) -> bool:
        """Return whether the token is the SDK's own, and not of an application's subclass."""
        return type(token) in (self.sdk.token_type, self._coordinated_type)

    def _observe(self, token: SDKToken, pending: "PendingRefresh") -> None:
        token.__class__ = self._coordinated_type
        setattr(token, ATTRIBUTE, pending)

    def _release(self, token: SDKToken) -> None:
        """Make the token an ordinary one of the SDK again."""
        if observer_of(token) is not None:
            delattr(token, ATTRIBUTE)
            token.__class__ = self.sdk.token_type


class PendingRefresh:
    """The refresh of one token; it observes the token.

    Args:
        refreshes: The store's.
        claim: The claim to refresh it, ``None`` if it has to be made first.

    Attributes:
        sdk: The SDK's binding.
        stored: The record as it is stored, once the refresh has ended.
    """

    def __init__(self, refreshes: SDKRefreshes, claim: RefreshClaim | None) -> None:
        """Wait for the SDK's request."""
        self._refreshes = refreshes
        self._coordinator = refreshes.coordinator
        self.sdk = refreshes.sdk
        self.claim = claim
        self.stored: TokenRecord | None = None

    @property
    def http_timeout(self) -> float:
        """Return the seconds that Zoho may take."""
        return self._coordinator.policy.http_timeout

    def begin_request(self, token: SDKToken) -> bool:
        """Claim the refresh if that has not been done; ``False`` if another worker has made it."""
        if self.claim is not None and not self.claim.settled:
            return True
        record = self.sdk.read_token(token)

        def lookup() -> TokenRecord | None:
            row = None if record.id is None else self._refreshes.find_by_id(record.id)
            return None if row is None else usable_token(row)

        self.stored = None
        row = lookup()
        if row is not None and self._refreshes.is_outdated(record, row):
            self.sdk.fill_token(token, {"refresh_token": row.refresh_token or ""})
            record = self.sdk.read_token(token)
        served, self.claim = self._coordinator.claim_refresh(record, lookup, self._refreshes.server)
        if self.claim is not None or served is None:
            return True
        self.sdk.fill_token(token, served.known())
        self.stored = self.sdk.read_token(token)
        return False

    def finish_request(self, token: SDKToken) -> None:
        """Store the token, unless the SDK has done so within its refresh.

        A first login is left to the SDK, which asks for the user's name before it saves (since
        6-0). Without the name, other workers would find it under another identity.
        """
        claim = self.claim
        if claim is None:
            return
        if claim.settled:
            self._refreshes.end_refresh(token, self)
        elif not claim.is_login:
            try:
                key = self._refreshes.save_refreshed(token, self.sdk.read_token(token))
                self.sdk.fill_token(token, {"id": key or ""})
            except TokenStoreError as error:  # the SDK's save tries again; the lease ends by itself
                log.warning("a refreshed token could not be stored: %s", error)

    def fail_request(self, token: SDKToken, failure: Failure) -> TokenStoreError | None:
        """Release the claim; return what the failure means, ``None`` if the token is valid."""
        claim = self.claim
        meaning = failure_error(failure.reason, self._coordinator.policy.cooldown)
        if claim is None:
            return meaning
        self._coordinator.fail_claim(claim, failure)
        before = claim.record
        if not claim.early or before is None or before.expiry is None:
            self._refreshes.end_refresh(token, self)
            return meaning
        if self.sdk.read_token(token).access_token == before.access_token:
            self.sdk.fill_token(token, {"expiry": before.expiry})
            self.stored = self.sdk.read_token(token)
        return None


def called_by_sdk() -> bool:
    """Return whether the SDK has called, directly or through a store around this one."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name in SDK_LOOKUPS and str(frame.f_globals.get("__name__")).endswith(
            ".zoho.api.authenticator.oauth_token"
        ):
            return True
        frame = frame.f_back
    return False
