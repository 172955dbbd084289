"""``LocalZoho``: a stand-in for Zoho's accounts and CRM servers on the loopback interface."""

import json
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Literal, Self, cast
from urllib.parse import parse_qsl, urlsplit

from zoho_tokenstore.testing.accounts import ORG_ID, Account, Accounts, Response

__all__ = ["LocalZoho", "Request"]

RequestKind = Literal["grant", "refresh", "revoke", "user", "org", "fields", "record", "unknown"]

OAUTH_PATH: Final = "/oauth/v2/token"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a :class:`LocalZoho`.

    Attributes:
        kind: Resource or operation that was requested.
        email: Email address of the token's user, ``None`` for an unknown token.
        status: HTTP status of the response.
    """

    kind: RequestKind
    email: str | None
    status: int


class LocalZoho:
    """A Zoho server on 127.0.0.1, for tests and demonstrations of applications that use an SDK.

    It serves the token endpoint (grant and refresh), revoke, CurrentUser, org, fields and the read
    of one record, with the tokens and errors of the real servers. Use it as a context manager, or
    call :meth:`start` and :meth:`stop`. All threads and processes of the host may connect.

    Args:
        lifetime: Seconds that an access token is valid.
        delay: Seconds before the token endpoint responds.
        throttle: Access tokens allowed for one refresh token in ten minutes, before the token
            endpoint responds ``Access Denied``; ``None`` for no limit. Zoho's own limit is 10.

    Attributes:
        accounts: Users and tokens; its ``lifetime`` and ``throttle`` can be changed at any time.
        delay: Seconds before the token endpoint responds; can be changed at any time.
        requests: All requests so far in chronological order.

    Example:
        >>> with LocalZoho() as zoho:
        ...     grant_token = zoho.grant("alice@example.com")
        ...     environment = DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url)
    """

    def __init__(
        self, *, lifetime: float = 3600.0, delay: float = 0.0, throttle: int | None = None
    ) -> None:
        """Bind a free port without serving it."""
        self._server = _Server(self)
        self.accounts = Accounts(api_domain=self.url, lifetime=lifetime, throttle=throttle)
        self.delay = delay
        self.requests: list[Request] = []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the CRM API: first and third argument of ``DataCenter.Environment``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def accounts_url(self) -> str:
        """Token endpoint: second argument of ``DataCenter.Environment``."""
        return f"{self.url}{OAUTH_PATH}"

    def grant(self, email: str) -> str:
        """Return a new grant token for a user, valid for one exchange."""
        return self.accounts.grant(email)

    def refuse(self, token: str) -> None:
        """Reject a grant, refresh or access token from now on."""
        self.accounts.refuse(token)

    def expire_access_tokens(self) -> None:
        """Reject all access tokens that were issued so far."""
        self.accounts.expire_access_tokens()

    def count(self, kind: RequestKind) -> int:
        """Return the number of requests of a kind so far."""
        return Counter(request.kind for request in list(self.requests))[kind]

    def start(self) -> Self:
        """Start serving requests."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving requests and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Start serving requests."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving requests."""
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, zoho: LocalZoho) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.zoho = zoho


class _Handler(BaseHTTPRequestHandler):
    @property
    def _zoho(self) -> LocalZoho:
        return cast("_Server", self.server).zoho

    def do_POST(self) -> None:
        """Serve the endpoints of the accounts server."""
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        path = urlsplit(self.path).path
        accounts = self._zoho.accounts
        if path == f"{OAUTH_PATH}/revoke":
            self._respond("revoke", None, accounts.revoke(form.get("token", "")))
            return
        time.sleep(self._zoho.delay)
        if path != OAUTH_PATH:
            self._respond("unknown", None, {"error": "invalid_url"}, 404)
        elif form.get("grant_type") == "refresh_token":
            self._respond_with_token("refresh", accounts.refresh(form))
        else:
            self._respond_with_token("grant", accounts.exchange(form))

    def do_GET(self) -> None:
        """Serve the endpoints of the CRM API to requests with a valid access token."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        account = self._zoho.accounts.account_of(token) if scheme == "Zoho-oauthtoken" else None
        kind, response = _crm_response(urlsplit(self.path).path, account)
        if account is None:
            response = {
                "code": "INVALID_TOKEN",
                "details": {},
                "message": "invalid oauth token",
                "status": "error",
            }
        status = 401 if account is None else 404 if kind == "unknown" else 200
        self._respond(kind, account, response, status)

    def _respond_with_token(self, kind: RequestKind, response: Response) -> None:
        account = self._zoho.accounts.account_of(str(response.get("access_token")))
        self._respond(kind, account, response)

    def _respond(
        self, kind: RequestKind, account: Account | None, response: Response, status: int = 200
    ) -> None:
        self._zoho.requests.append(Request(kind, account.email if account else None, status))
        body = json.dumps(response).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # the client may have closed the connection
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the requests are in ``LocalZoho.requests``."""


def _crm_response(path: str, account: Account | None) -> tuple[RequestKind, Response]:
    """Return the response for ``/crm/v<n>/<resource>``."""
    email = account.email if account else ""
    resource = path.strip("/").split("/")[2:]
    match resource:
        case ["users"]:
            user = {"id": "700001", "email": email, "full_name": email}
            return "user", {"users": [user]}
        case ["org"]:
            return "org", {"org": [{"id": "600001", "zgid": ORG_ID, "company_name": "Local"}]}
        case ["settings", "fields"]:
            return "fields", {"fields": [_field("Last_Name", "text"), _field("Email", "email")]}
        case [_, record_id] if record_id.isdigit():
            record = {"id": record_id, "Last_Name": "Doe", "Email": email}
            return "record", {"data": [record]}
        case _:
            return "unknown", {"code": "INVALID_URL_PATTERN", "status": "error", "details": {}}


def _field(name: str, kind: str) -> Response:
    return {"id": "500001", "api_name": name, "data_type": kind, "field_label": name}
