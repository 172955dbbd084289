"""Access tokens for callers without an SDK: looked up, and refreshed by the store when due."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseError,
    LoginRequiredError,
    UnknownUserError,
)
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.events import log
from zoho_tokenstore.refresh.failures import failure_error
from zoho_tokenstore.refresh.inflight import Lookup, RefreshClaim
from zoho_tokenstore.refresh.lease import Failure
from zoho_tokenstore.tokens.access_token import AccessToken
from zoho_tokenstore.tokens.record import EXPIRED, MAX_EXPIRY, TokenRecord, check_text
from zoho_tokenstore.zoho.accounts import TokenAnswer, TokenRequestError, refresh_access_token
from zoho_tokenstore.zoho.datacenters import data_center_at, token_endpoint

__all__ = ["AccessTokens", "unknown_user"]

Find: TypeAlias = Callable[[TokenRecord], TokenRecord | None]
SaveClaimed: TypeAlias = Callable[[TokenRecord, RefreshClaim], tuple[str, TokenRecord | None]]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AccessTokens:
    """The access tokens of one store's users.

    Args:
        coordinator: Decides which worker refreshes.
        find: Returns the row that a token refers to.
        save_claimed: Saves a refreshed token for a claim; returns its id, and the row that is newer
            if the claim came late.
        accounts_url: The token endpoint, ``None`` for that of each token's data center.
    """

    def __init__(
        self,
        coordinator: RefreshCoordinator,
        find: Find,
        save_claimed: SaveClaimed,
        accounts_url: str | None,
    ) -> None:
        """Ask nothing yet."""
        self._coordinator = coordinator
        self._find = find
        self._save_claimed = save_claimed
        self._accounts_url = accounts_url
        # SDKs before 5-0 store no API domain.
        center = None if accounts_url is None else data_center_at(accounts_url)
        self._api_domain = None if center is None else f"https://www.{center.api}"

    def valid_token(self, user_name: str, client_id: str | None) -> AccessToken:
        """Return a valid access token; refresh it if it is due.

        Raises:
            UnknownUserError: No token is stored for this user and client.
            AmbiguousTokenError: The user has tokens of several clients.
            RefreshError: The access token has expired and cannot be refreshed.
            ConfigurationError: The token's data center is not known.
            DatabaseError: The database failed.
        """
        wanted, row = self._row_of(user_name, client_id)
        if row.refresh_token is None:
            if not (row.access_token and self._coordinator.is_valid(row)):
                raise _no_refresh_token(row)
        elif self._coordinator.is_due(row):
            row = self._refreshed(row, lambda: self._lookup(wanted))
        return self._access_token_of(row)

    def new_token(self, user_name: str, client_id: str | None) -> AccessToken:
        """Refresh a token that may be valid, also after a refusal: an operator asks for it.

        If the refresh fails, the stored token stays as it was.

        Raises:
            UnknownUserError, AmbiguousTokenError, RefreshError, ConfigurationError, DatabaseError:
                As in :meth:`valid_token`.
        """
        wanted, row = self._row_of(user_name, client_id)
        if row.refresh_token is None:
            raise _no_refresh_token(row)

        def lookup() -> TokenRecord | None:
            found = self._lookup(wanted)
            is_old = found is not None and found.access_token == row.access_token
            return found._replace(expiry=EXPIRED) if found is not None and is_old else found

        self._coordinator.forget_failure(row)
        return self._access_token_of(self._refreshed(row._replace(expiry=EXPIRED), lookup))

    def _row_of(self, user_name: str, client_id: str | None) -> tuple[TokenRecord, TokenRecord]:
        """Return what finds a user's row, and the row."""
        wanted = TokenRecord(
            user_name=check_text("user_name", user_name),
            client_id=None if client_id is None else check_text("client_id", client_id),
        )
        row = self._lookup(wanted) if wanted.user_name else None
        if row is None:
            raise unknown_user(user_name)
        return wanted, row

    def _lookup(self, wanted: TokenRecord) -> TokenRecord | None:
        row = self._find(wanted)
        if row is not None and row.expiry is None and row.refresh_token is not None:
            return row._replace(expiry=EXPIRED)  # when it expires is not known
        return row

    def _refreshed(self, row: TokenRecord, lookup: Lookup) -> TokenRecord:
        endpoint = self._endpoint_for(row)
        result = self._coordinator.claim_refresh(row, lookup, endpoint)
        before = result.record or row  # a row that was deleted just now stays deleted
        if result.claim is None:
            return before
        return self._refresh(before, result.claim)

    def _refresh(self, before: TokenRecord, claim: RefreshClaim) -> TokenRecord:
        """Ask Zoho, and store the answer."""
        policy = self._coordinator.policy
        try:
            answer = refresh_access_token(claim.server, before, policy.http_timeout)
        except TokenRequestError as error:
            self._coordinator.fail_claim(claim, error.failure)
            if claim.early:
                return before
            raise failure_error(error.failure.reason, policy.cooldown) from None
        except BaseException as error:
            self._coordinator.fail_claim(claim, Failure(type(error).__name__, answered=False))
            raise
        return self._store(_with_answer(before, answer), claim)

    def _store(self, refreshed: TokenRecord, claim: RefreshClaim) -> TokenRecord:
        try:
            _, newer = self._save_claimed(refreshed, claim)
        except DatabaseError as error:
            # What Zoho has given is good; a refresh token in its answer must not be lost unseen.
            self._coordinator.fail_claim(claim, Failure(type(error).__name__, answered=False))
            if refreshed.refresh_token != (claim.record or refreshed).refresh_token:
                raise
            log.warning("a refreshed token could not be stored: %s", error)
            return refreshed
        except BaseException as error:
            self._coordinator.fail_claim(claim, Failure(type(error).__name__, answered=False))
            raise
        self._coordinator.settle_claim(claim, is_late=newer is not None)
        return newer or refreshed

    def _access_token_of(self, row: TokenRecord) -> AccessToken:
        return AccessToken(
            value=row.access_token or "",
            expires_at=_time_of(row.expiry),
            api_domain=row.api_domain or self._api_domain,
            user_name=row.user_name or "",
            client_id=row.client_id,
        )

    def _endpoint_for(self, row: TokenRecord) -> str:
        endpoint = self._accounts_url or token_endpoint(row.api_domain)
        if endpoint is None:
            raise ConfigurationError(
                f"the accounts server of the user {row.user_name!r} is not known from the stored "
                f"API domain {row.api_domain!r}: pass accounts_url= to the store, for example "
                "https://accounts.zoho.eu/oauth/v2/token"
            )
        return endpoint


def unknown_user(user_name: object) -> UnknownUserError:
    """Return the error of a user without a stored token."""
    return UnknownUserError(
        f"no token is stored for the user {user_name!r}: names are compared exactly, and end in "
        "':' and the organization's id when an SDK since 6-0 has stored them; 'zoho-tokenstore "
        "list' shows them"
    )


def _no_refresh_token(row: TokenRecord) -> LoginRequiredError:
    return LoginRequiredError(
        f"no refresh token is stored for the user {row.user_name!r}: log this user in again, with "
        "access_type=offline and prompt=consent"
    )


def _with_answer(before: TokenRecord, answer: TokenAnswer) -> TokenRecord:
    return before._replace(
        access_token=answer.access_token,
        expiry=answer.expiry,
        refresh_token=answer.refresh_token or before.refresh_token,
        api_domain=answer.api_domain or before.api_domain,
    )


def _time_of(expiry: int | None) -> datetime | None:
    if expiry is None or expiry == MAX_EXPIRY:
        return None
    try:
        return EPOCH + timedelta(milliseconds=expiry)
    except OverflowError:
        return None
