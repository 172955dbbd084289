"""Zoho's accounts server as a state machine of clients, users, logins and tokens.

The responses are those of Zoho's servers (https://www.zoho.com/crm/developer/docs/api/v8/,
"OAuth 2.0" and "Token validity"): errors come with HTTP 200, and throttling as ``Access Denied``.
"""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore.testing.limits import Limits

__all__ = ["ORG_ID", "Account", "Accounts", "Response"]

Response = dict[str, object]
"""JSON object in the body of an HTTP response."""

ORG_ID: Final = "60001234567"

WINDOW: Final = 600.0
"""Seconds over which Zoho counts requests."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the local Zoho.

    Attributes:
        email: Email address of the user.
    """

    email: str

    @property
    def user_name(self) -> str:
        """Name of the user in SDKs of generation 6 and later."""
        return f"{self.email}:{ORG_ID}"


@dataclass(frozen=True, slots=True)
class _Client:
    secret: str
    redirect_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Grant:
    account: Account
    made: float
    client_id: str | None
    redirect_url: str | None
    scopes: tuple[str, ...] | None
    is_offline: bool


@dataclass(frozen=True, slots=True)
class _Login:
    account: Account
    client_id: str
    scopes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Access:
    login: _Login
    refresh_token: str
    expires_at: float


@dataclass(slots=True)
class Accounts:
    """All grant, refresh and access tokens of a local Zoho; safe for concurrent threads.

    Attributes:
        api_domain: API domain in every response with an access token.
        lifetime: Seconds that an access token is valid.
        grace: Seconds for which it is accepted beyond that, for short lifetimes on slow machines.
        throttle: Access tokens allowed for one refresh token in ten minutes, ``None`` for no limit.
        limits: Further limits.
    """

    api_domain: str = ""
    lifetime: float = 3600.0
    throttle: int | None = None
    grace: float = 0.0
    limits: Limits = field(default_factory=Limits)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _clients: dict[str, _Client] = field(default_factory=dict)
    _grants: dict[str, _Grant] = field(default_factory=dict)
    _logins: dict[str, _Login] = field(default_factory=dict)
    _access: dict[str, _Access] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _made: dict[str, list[float]] = field(default_factory=dict)

    def register_client(
        self, client_id: str, client_secret: str, redirect_urls: Sequence[str] = ()
    ) -> None:
        """Register a client; from the first one on, no other is accepted.

        Args:
            client_id: Its id.
            client_secret: Its secret.
            redirect_urls: The URLs that a login may come back to; none for any.
        """
        with self._lock:
            self._clients[client_id] = _Client(client_secret, tuple(redirect_urls))

    def client_error(
        self, client_id: str, *, secret: str | None = None, redirect_url: str | None = None
    ) -> str | None:
        """Return Zoho's word for what is wrong with a client, ``None`` if nothing is."""
        if not self._clients:
            return None
        client = self._clients.get(client_id)
        if client is None:
            return "invalid_client"
        if secret is not None and secret != client.secret:
            return "invalid_client_secret"
        if redirect_url is not None and client.redirect_urls:
            return None if redirect_url in client.redirect_urls else "invalid_redirect_uri"
        return None

    def grant(
        self,
        email: str,
        *,
        code: str | None = None,
        client_id: str | None = None,
        redirect_url: str | None = None,
        scopes: Sequence[str] | None = None,
        is_offline: bool = True,
    ) -> str:
        """Return a new grant token for a user, valid for one exchange.

        Args:
            email: Email address of the user.
            code: The token itself; by default a random one.
            client_id: The client that may exchange it, ``None`` for any.
            redirect_url: The redirect URL of the exchange, ``None`` for any.
            scopes: What the user has consented to, ``None`` for everything.
            is_offline: Whether its exchange brings a refresh token.
        """
        code = code or _new_token()
        chosen = None if scopes is None else tuple(scopes)
        made = _Grant(Account(email), time.time(), client_id, redirect_url, chosen, is_offline)
        with self._lock:
            self._grants[code] = made
        return code

    def has_login(self, email: str, client_id: str) -> bool:
        """Return whether a user has a refresh token of a client."""
        with self._lock:
            return any(
                (login.account.email, login.client_id) == (email, client_id)
                for login in self._logins.values()
            )

    def refuse(self, token: str) -> None:
        """Reject a grant, refresh or access token from now on."""
        with self._lock:
            self._refused.add(token)

    def expire_access_tokens(self) -> None:
        """Reject all access tokens that were issued so far."""
        with self._lock:
            self._access.clear()

    def account_of(self, access_token: str) -> Account | None:
        """Return the user of a valid access token, ``None`` for any other text."""
        with self._lock:
            access = self._access.get(access_token)
            if access is None or access_token in self._refused:
                return None
            if access.expires_at + self.grace < time.time():
                return None
            return access.login.account

    def scopes_of(self, access_token: str) -> tuple[str, ...] | None:
        """Return the scopes of an access token, ``None`` for everything."""
        with self._lock:
            access = self._access.get(access_token)
            return () if access is None else access.login.scopes

    def exchange(self, form: Mapping[str, str]) -> Response:
        """Process ``grant_type=authorization_code``: return the tokens of a new login."""
        code, client_id = form.get("code", ""), form.get("client_id", "")
        if error := self.client_error(client_id, secret=form.get("client_secret", "")):
            return {"error": error}
        with self._lock:
            grant = self._grants.get(code)
            if grant is None or code in self._refused or not self._is_good(grant, client_id):
                return {"error": "invalid_code"}
            if grant.redirect_url not in (None, form.get("redirect_uri")):
                return {"error": "invalid_redirect_uri"}
            if self._is_too_much(f"grants of {client_id}", self.limits.grants):
                return {"error": "access_denied"}
            del self._grants[code]
            login = _Login(grant.account, client_id, grant.scopes)
            if not grant.is_offline:
                return self._new_access(login, "")
            refresh_token = _new_token()
            self._logins[refresh_token] = login
            self._drop_first_logins(login)
            return self._new_access(login, refresh_token) | {"refresh_token": refresh_token}

    def refresh(self, form: Mapping[str, str]) -> Response:
        """Process ``grant_type=refresh_token``: return an access token and no refresh token."""
        refresh_token, client_id = form.get("refresh_token", ""), form.get("client_id", "")
        if error := self.client_error(client_id, secret=form.get("client_secret", "")):
            return {"error": error}
        with self._lock:
            login = self._logins.get(refresh_token)
            if login is None or refresh_token in self._refused:
                return {"error": "invalid_code"}
            if client_id != login.client_id:
                return {"error": "invalid_client"}
            return self._new_access(login, refresh_token)

    def revoke(self, token: str) -> Response:
        """Revoke a refresh token with its access tokens, or one access token."""
        with self._lock:
            if token not in self._logins and token not in self._access:
                return {"error": "invalid_code"}
            self._drop(token)
            return {"status": "success"}

    def _new_access(self, login: _Login, refresh_token: str) -> Response:
        if refresh_token and self._is_too_much(refresh_token, self.throttle):
            return {
                "error": "Access Denied",
                "error_description": "You have made too many requests continuously. "
                "Please try again after some time.",
                "status": "failure",
            }
        access_token = _new_token()
        self._access[access_token] = _Access(login, refresh_token, time.time() + self.lifetime)
        active = [key for key, it in self._access.items() if it.refresh_token == refresh_token]
        if refresh_token and self.limits.access_tokens is not None:
            for key in active[: -self.limits.access_tokens]:
                del self._access[key]
        return {
            "access_token": access_token,
            "api_domain": self.api_domain,
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
        }

    def _is_good(self, grant: _Grant, client_id: str) -> bool:
        seconds = self.limits.grant_seconds
        is_too_old = seconds is not None and time.time() > grant.made + seconds
        return not is_too_old and grant.client_id in (None, client_id)

    def _is_too_much(self, what: str, limit: int | None) -> bool:
        """Count a request of the last ten minutes, unless it is beyond the limit."""
        now = time.time()
        recent = [made for made in self._made.get(what, ()) if made > now - WINDOW]
        if limit is not None and len(recent) >= limit:
            return True
        self._made[what] = [*recent, now]
        return False

    def _drop_first_logins(self, login: _Login) -> None:
        limit = self.limits.refresh_tokens
        same = [
            token
            for token, each in self._logins.items()
            if (each.account, each.client_id) == (login.account, login.client_id)
        ]
        for token in same[:-limit] if limit is not None else ():
            self._drop(token)

    def _drop(self, token: str) -> None:
        self._logins.pop(token, None)
        self._access = {
            key: access
            for key, access in self._access.items()
            if token not in (key, access.refresh_token)
        }


def _new_token() -> str:
    """Return a token with the format of Zoho's: 70 characters in three parts."""
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
