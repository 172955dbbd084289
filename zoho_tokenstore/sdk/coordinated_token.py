"""The SDK's token while it is being refreshed: it reports the outcome to the store.

The SDKs refresh the object that the store has returned, without a time limit, and report nothing
when that fails. So the store hands out its own subclass of the SDK's ``OAuthToken``, which posts
the same form with a time limit and leaves Zoho's answer to the SDK's ``parse_response``.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

from zoho_tokenstore.errors import RefreshFailedError, TokenStoreError
from zoho_tokenstore.refresh.lease import Failure
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.types import SDKClass, SDKToken
from zoho_tokenstore.tracebacks import without_frames
from zoho_tokenstore.zoho.accounts import UNKNOWN_ANSWER, failure_of
from zoho_tokenstore.zoho.transport import post_form

__all__ = ["ATTRIBUTE", "RefreshObserver", "coordinated_type", "observer_of"]

ATTRIBUTE: Final = "_pending_refresh"
"""Where a token keeps its observer. ``merge_objects`` of contract C copies attributes whose names
contain one of its fields' names, ``id`` among them; not this one."""

Form: TypeAlias = Mapping[str, str | None]


class RefreshObserver(Protocol):
    """The store's side of a refresh."""

    @property
    def sdk(self) -> SDKBinding:
        """Return the SDK's binding."""

    @property
    def http_timeout(self) -> float:
        """Return the seconds that Zoho may take."""

    def begin_request(self, token: SDKToken) -> bool:
        """Claim the refresh; ``False`` if the token holds another worker's result already."""

    def finish_request(self, token: SDKToken) -> None:
        """Store the refreshed token."""

    def fail_request(self, token: SDKToken, failure: Failure) -> TokenStoreError | None:
        """Record the failure; return what it means, ``None`` if the token is still valid."""


@cache
def coordinated_type(token_type: SDKClass) -> type:
    """Return the subclass of an SDK's ``OAuthToken`` that reports its refreshes.

    The arguments of its methods differ between the SDKs; see ``accept_answer`` of the contracts.
    """

    class CoordinatedToken(token_type):  # type: ignore[misc] # the SDKs have no types
        def refresh_access_token(self, *arguments: object) -> SDKToken:
            """Ask for an access token with the refresh token."""
            observer = observer_of(self)
            if observer is None:
                return super().refresh_access_token(*arguments)
            return _ask_zoho(self, arguments, observer, is_login=False)

        def generate_access_token(self, *arguments: object) -> SDKToken:
            """Log in with the grant token."""
            observer = observer_of(self)
            if observer is None:
                return super().generate_access_token(*arguments)
            return _ask_zoho(self, arguments, observer, is_login=True)

        def __reduce__(self) -> tuple[Any, ...]:
            """Copy and pickle as the SDK's own class, without the observer."""
            state = {name: value for name, value in vars(self).items() if name != ATTRIBUTE}
            return object.__new__, (token_type,), state

    return CoordinatedToken


def observer_of(token: object) -> RefreshObserver | None:
    """Return the observer of a token, ``None`` if it has none."""
    return getattr(token, ATTRIBUTE, None)


def _ask_zoho(
    token: SDKToken, arguments: Sequence[Any], observer: RefreshObserver, *, is_login: bool
) -> SDKToken:
    """Do what the SDK's method does, with the same outcome for the application."""
    sdk = observer.sdk
    if not observer.begin_request(token):
        return token
    answer = None
    try:
        answer = post_form(
            _accounts_url(sdk, arguments),
            _login_form(sdk, token) if is_login else _refresh_form(sdk, token),
            seconds=observer.http_timeout,
            # The SDKs send a user agent with a login only.
            headers={"user-agent": sdk.user_agent} if is_login and sdk.user_agent else None,
        )
        sdk.accept_answer(token, arguments, _checked(answer.json()))
    except Exception as error:
        meaning = observer.fail_request(token, failure_of(error, answer))
        if meaning is None:
            return token
        without_frames(error)
        if not isinstance(error, sdk.error_type):
            raise sdk.refresh_exception(error) from error
        if error.cause is None:
            error.cause = meaning
        raise error from error.cause
    observer.finish_request(token)
    return token


def _checked(answer: object) -> object:
    """Refuse an answer with an empty access token, which the SDKs take for a new one."""
    if isinstance(answer, dict) and "access_token" in answer and not answer["access_token"]:
        raise RefreshFailedError(f"Zoho's answer has {UNKNOWN_ANSWER}", UNKNOWN_ANSWER)
    return answer


def _accounts_url(sdk: SDKBinding, arguments: Sequence[Any]) -> str:
    """Return the token endpoint: contract C passes it, the others look it up."""
    last = arguments[-1]
    if isinstance(last, str):
        return last
    url: str = sdk.initializer.get_initializer().environment.accounts_url
    return url


def _refresh_form(sdk: SDKBinding, token: SDKToken) -> Form:
    record = sdk.read_token(token)
    return {
        "refresh_token": record.refresh_token,
        "client_id": record.client_id,
        "client_secret": record.client_secret,
        "grant_type": "refresh_token",
    }


def _login_form(sdk: SDKBinding, token: SDKToken) -> Form:
    record = sdk.read_token(token)
    return {
        "client_id": record.client_id,
        "client_secret": record.client_secret,
        "redirect_uri": record.redirect_url,
        "grant_type": "authorization_code",
        "code": record.grant_token,
    }
