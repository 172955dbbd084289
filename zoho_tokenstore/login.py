"""``LoginFlow``: log users in with Zoho, from a web application."""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from zoho_tokenstore.errors import (
    ClientRefusedError,
    ConfigurationError,
    LoginDeniedError,
    LoginError,
    LoginStateError,
    UnknownServerError,
)
from zoho_tokenstore.refresh.lease import CLIENT_FAULTS, THROTTLED
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.tokens.access_token import AccessToken
from zoho_tokenstore.tokens.record import TokenRecord, check_text
from zoho_tokenstore.tracebacks import hides_frames
from zoho_tokenstore.zoho.accounts import (
    TokenAnswer,
    TokenRequestError,
    exchange_code,
    words_of,
)
from zoho_tokenstore.zoho.datacenters import DATA_CENTERS, checked_endpoint, data_center_at
from zoho_tokenstore.zoho.users import current_user_name

__all__ = ["LoginFlow", "LoginRequest"]

SECONDS: Final = 10.0
"""The time that Zoho has for each answer."""

ADVICE: Final = {
    "invalid_code": "the code was used before, or is older than three minutes: begin again",
    "invalid_redirect_uri": "redirect_url must be one of the client's in Zoho's API console",
    "access_denied": "Zoho allows ten logins in ten minutes: try again later",
    THROTTLED: "Zoho allows ten logins in ten minutes: try again later",
}
"""What Zoho's words about an exchange mean
(https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html)."""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The beginning of a login.

    Attributes:
        url: URL of Zoho's consent page, to which the application redirects the browser.
        state: Random text to keep in the browser's session until the callback.
    """

    url: str
    state: str


class LoginFlow:
    """Log users of one client in with Zoho: a redirect to Zoho, and the callback from there.

    See https://www.zoho.com/accounts/protocol/oauth/web-server-applications.html.

    Args:
        store: Where logins are stored.
        client_id: Client id of a server-based application in Zoho's API console.
        client_secret: The client's secret.
        redirect_url: The URL of the callback, as registered there.
        scopes: Scopes to request, such as ``ZohoCRM.modules.leads.ALL``. Reading the user's name
            needs ``ZohoCRM.users.READ`` and ``ZohoCRM.org.READ``.
        accounts_url: The accounts server where the client is registered, or its token endpoint.

    Raises:
        ConfigurationError: An argument is empty, or ``accounts_url`` is not an HTTPS URL.

    Example:
        >>> request = flow.begin()  # keep request.state, redirect to request.url
        >>> token = flow.finish(callback_parameters, state=kept_state)
    """

    def __init__(  # noqa: PLR0913 - what a client consists of, by name
        self,
        store: SQLAlchemyTokenStore,
        *,
        client_id: str,
        client_secret: str,
        redirect_url: str,
        scopes: Iterable[str] | str,
        accounts_url: str = "https://accounts.zoho.com",
    ) -> None:
        """Check the arguments; ask nothing yet."""
        chosen = scopes.split(",") if isinstance(scopes, str) else list(scopes)
        self._scopes = ",".join(scope.strip() for scope in chosen)
        named = {"client_id": client_id, "redirect_url": redirect_url, "scopes": self._scopes}
        for name, value in named.items():
            if not check_text(name, value):
                raise ConfigurationError(f"LoginFlow({name}=…) is empty")
        if not check_text("client_secret", client_secret):
            raise ConfigurationError("LoginFlow(client_secret=…) is empty")
        self._store = store
        self._client = TokenRecord(
            client_id=client_id, client_secret=client_secret, redirect_url=redirect_url
        )
        self._endpoint = checked_endpoint(accounts_url)

    def begin(self) -> LoginRequest:
        """Return the URL to redirect the browser to, and the state to keep until the callback."""
        state = secrets.token_urlsafe(32)
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "scope": self._scopes,
            "redirect_uri": self._client.redirect_url,
            # Both, or a second login brings no refresh token.
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
        }
        page = self._endpoint.removesuffix("token") + "auth"
        return LoginRequest(f"{page}?{urlencode(query)}", state)

    @hides_frames
    def finish(
        self, parameters: Mapping[str, Any], *, state: str | None, user_name: str | None = None
    ) -> AccessToken:
        """Exchange the code of a callback, store the login, and return the access token.

        Args:
            parameters: The query parameters of the callback.
            state: The state that :meth:`begin` returned to this browser, ``None`` without one.
            user_name: The name to store the user under; by default the mail address and the
                organization, ``alice@example.com:60001234567``, as SDKs since 6-0 name users.

        Raises:
            LoginStateError: The callback is not the end of this browser's login.
            LoginDeniedError: The user has not consented.
            UnknownServerError: The callback names a server that is not one of Zoho's.
            MissingScopeError: The scopes do not allow reading the user's name.
            ClientRefusedError: Zoho does not know the client, or its secret is wrong.
            LoginError: Zoho has refused the code, or did not answer.
            DatabaseError: The login could not be stored.
        """
        _check_state(_parameter(parameters, "state"), state)
        _check_consent(_parameter(parameters, "error"))
        code = check_text("code", _parameter(parameters, "code") or "")
        if code is None:
            raise LoginError("the callback has no code: begin again", "no code")
        endpoint = self._endpoint_of(parameters)
        answer = self._exchange(endpoint, code)
        name = user_name or current_user_name(answer.access_token, answer.api_domain, SECONDS)
        self._store.save_login(
            self._client._replace(
                user_name=name,
                access_token=answer.access_token,
                expiry=answer.expiry,
                refresh_token=answer.refresh_token,
                api_domain=answer.api_domain,
            )
        )
        return self._store.access_token(name, client_id=self._client.client_id)

    def _exchange(self, endpoint: str, code: str) -> TokenAnswer:
        try:
            return exchange_code(endpoint, self._client._replace(grant_token=code), SECONDS)
        except TokenRequestError as error:
            reason = error.failure.reason
        if reason in CLIENT_FAULTS:
            raise ClientRefusedError(
                f"Zoho has refused the client ({reason}): check client id and client secret, and "
                "that the client is one for users of this data center",
                reason,
            )
        advice = ADVICE.get(reason, "begin again")
        raise LoginError(f"Zoho has not logged the user in ({reason}): {advice}", reason)

    def _endpoint_of(self, parameters: Mapping[str, Any]) -> str:
        """Return the token endpoint of the user's data center.

        It comes from the browser, and is sent the code and the client secret: so it has to be one
        of Zoho's, or the configured one.
        """
        server = _parameter(parameters, "accounts-server")
        location = _parameter(parameters, "location")
        if server:
            if _origin(server) == _origin(self._endpoint):
                return self._endpoint
            center = data_center_at(server)
        elif location:
            center = next((each for each in DATA_CENTERS if each.location == location), None)
        else:
            return self._endpoint
        if center is None:
            raise UnknownServerError(
                f"the callback names the accounts server {words_of(server or location)!r}, which "
                "is not one of Zoho's: pass accounts_url= if it is yours"
            )
        return center.token_endpoint


def _check_state(given: str | None, kept: str | None) -> None:
    if not kept or not given or not hmac.compare_digest(given.encode(), kept.encode()):
        raise LoginStateError("the callback is not the end of this browser's login: begin again")


def _check_consent(error: str | None) -> None:
    if error == "access_denied":
        raise LoginDeniedError("the user has not consented", error)
    if error:
        reason = words_of(error)
        raise LoginError(f"Zoho has not logged the user in ({reason}): begin again", reason)


def _parameter(parameters: Mapping[str, Any], name: str) -> str | None:
    """Return a query parameter; frameworks give text, or a list of all values."""
    value = parameters.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if len(value) == 1 else None
    return value if isinstance(value, str) else None


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc
