"""Zoho's accounts server as a state machine of users, logins and tokens.

The responses are those of Zoho's servers (https://www.zoho.com/crm/developer/docs/api/v8/,
"OAuth 2.0"): errors come with HTTP 200, and throttling as ``Access Denied``.
"""

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Account", "Accounts", "Response"]

Response = dict[str, object]
"""JSON object in the body of an HTTP response."""

ORG_ID: Final = "60001234567"

THROTTLE_WINDOW: Final = 600.0
"""Seconds over which Zoho counts the refreshes of one refresh token."""


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


@dataclass(slots=True)
class _Access:
    account: Account
    refresh_token: str
    expires_at: float


@dataclass(slots=True)
class Accounts:
    """All grant, refresh and access tokens of a local Zoho; safe for concurrent threads.

    Attributes:
        api_domain: API domain in every response with an access token.
        lifetime: Seconds that an access token is valid.
        throttle: Access tokens allowed for one refresh token in ten minutes, ``None`` for no limit.
    """

    api_domain: str = ""
    lifetime: float = 3600.0
    throttle: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _grants: dict[str, Account] = field(default_factory=dict)
    _logins: dict[str, tuple[Account, str]] = field(default_factory=dict)
    _access: dict[str, _Access] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _made: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def grant(self, email: str) -> str:
        """Return a new grant token for a user, valid for one exchange."""
        grant = _new_token()
        with self._lock:
            self._grants[grant] = Account(email)
        return grant

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
            if access is None or access_token in self._refused or access.expires_at < time.time():
                return None
            return access.account

    def exchange(self, form: Mapping[str, str]) -> Response:
        """Process ``grant_type=authorization_code``: return a refresh token and an access token."""
        code = form.get("code", "")
        with self._lock:
            account = self._grants.pop(code, None)
            if account is None or code in self._refused:
                return {"error": "invalid_code"}
            refresh_token = _new_token()
            self._logins[refresh_token] = (account, form.get("client_id", ""))
            return self._new_access(refresh_token) | {"refresh_token": refresh_token}

    def refresh(self, form: Mapping[str, str]) -> Response:
        """Process ``grant_type=refresh_token``: return an access token and no refresh token."""
        refresh_token = form.get("refresh_token", "")
        with self._lock:
            login = self._logins.get(refresh_token)
            if login is None or refresh_token in self._refused:
                return {"error": "invalid_code"}
            if form.get("client_id") != login[1]:
                return {"error": "invalid_client"}
            return self._new_access(refresh_token)

    def revoke(self, token: str) -> Response:
        """Revoke a refresh token with its access tokens, or one access token."""
        with self._lock:
            if token not in self._logins and token not in self._access:
                return {"error": "invalid_code"}
            self._logins.pop(token, None)
            self._access = {
                key: access
                for key, access in self._access.items()
                if token not in (key, access.refresh_token)
            }
            return {"status": "success"}

    def _new_access(self, refresh_token: str) -> Response:
        now = time.time()
        recent = [made for made in self._made[refresh_token] if made > now - THROTTLE_WINDOW]
        if self.throttle is not None and len(recent) >= self.throttle:
            return {
                "error": "Access Denied",
                "error_description": "You have made too many requests continuously. "
                "Please try again after some time.",
                "status": "failure",
            }
        self._made[refresh_token] = [*recent, now]
        access_token = _new_token()
        account = self._logins[refresh_token][0]
        self._access[access_token] = _Access(account, refresh_token, now + self.lifetime)
        return {
            "access_token": access_token,
            "api_domain": self.api_domain,
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
        }


def _new_token() -> str:
    """Return a token with the format of Zoho's: 70 characters in three parts."""
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
