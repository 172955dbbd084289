"""``LocalZoho``: a stand-in for Zoho's accounts and CRM servers on the loopback interface."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

from zoho_tokenstore.testing.accounts import Account, Accounts, Response
from zoho_tokenstore.testing.calls import INVALID_TOKEN, Call, CallKind, kind_of, parse_body
from zoho_tokenstore.testing.consent import consent_page, error_page, redirect_after, request_error
from zoho_tokenstore.testing.crm import CRM
from zoho_tokenstore.testing.limits import Limits

__all__ = ["LocalZoho", "Request"]

RequestKind: TypeAlias = Literal["authorize", "grant", "refresh", "revoke"] | CallKind

Hook: TypeAlias = Callable[[Call], tuple[int, Response] | None]
"""Gets a request to the CRM's API; returns the status and body of an answer of its own."""

OAUTH_PATH: Final = "/oauth/v2/token"
CONSENT_PATH: Final = "/oauth/v2/auth"

STOP_SECONDS: Final = 0.05
"""How long the server may take to notice that it is stopped."""


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

    It serves the page of consent, the token endpoint (grant and refresh), revoke, CurrentUser, org,
    fields, and records that can be listed, searched, read, created, updated and deleted, with the
    tokens and errors of the real servers. Use it as a context manager, or call :meth:`start` and
    :meth:`stop`. All threads and processes of the host may connect.

    Args:
        lifetime: Seconds that an access token is valid.
        delay: Seconds before the token endpoint responds.
        throttle: Access tokens allowed for one refresh token in ten minutes, before the token
            endpoint responds ``Access Denied``; ``None`` for no limit. Zoho's own limit is 10.
        limits: Further limits; ``ZOHO_LIMITS`` are Zoho's own.
        emails: The accounts on the page of consent.
        port: The port to bind, 0 for a free one.

    Attributes:
        accounts: Users and tokens; its ``lifetime``, ``throttle`` and ``limits`` can be changed at
            any time, and clients registered.
        crm: The users' records.
        hook: Called with each :class:`Call` of a valid token before it is answered: the status and
            body that it returns are the answer, ``None`` leaves it as it is.
        delay: Seconds before the token endpoint responds; can be changed at any time.
        requests: All requests so far in chronological order.

    Example:
        >>> with LocalZoho() as zoho:
        ...     grant_token = zoho.grant("alice@example.com")
        ...     environment = DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url)
    """

    def __init__(
        self,
        *,
        lifetime: float = 3600.0,
        delay: float = 0.0,
        throttle: int | None = None,
        limits: Limits | None = None,
        emails: Sequence[str] = ("alice@example.com", "bob@example.com"),
        port: int = 0,
    ) -> None:
        """Bind the port without serving it."""
        self._server = ZohoServer(self, port)
        limits = replace(limits or Limits())
        self.accounts = Accounts(self.url, lifetime, throttle, limits=limits)
        self.crm = CRM()
        self.emails = list(emails)
        self.hook: Hook | None = None
        self.delay = delay
        self.requests: list[Request] = []
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": STOP_SECONDS}, daemon=True
        )

    @property
    def url(self) -> str:
        """Base URL of the CRM API, first and third argument of ``DataCenter.Environment``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def accounts_url(self) -> str:
        """Token endpoint, second argument of ``DataCenter.Environment``."""
        return f"{self.url}{OAUTH_PATH}"

    def grant(self, email: str) -> str:
        """Return a new grant token for a user, valid for one exchange and for three minutes."""
        return self.accounts.grant(email)

    def add_records(self, email: str, module: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Give a user records in a module, such as ``[{"Last_Name": "Doe"}]`` in ``"Leads"``."""
        self.crm.add_records(email, module, records)

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


class ZohoServer(ThreadingHTTPServer):
    """The HTTP server of a local Zoho."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, zoho: LocalZoho, port: int) -> None:
        """Bind the port."""
        super().__init__(("127.0.0.1", port), ZohoHandler)
        self.zoho = zoho


class ZohoHandler(BaseHTTPRequestHandler):
    """Answers one request: of a browser, of the token endpoint, or of the CRM's API."""

    @property
    def _zoho(self) -> LocalZoho:
        return cast("ZohoServer", self.server).zoho

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path

    @property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query))

    def do_GET(self) -> None:
        """Serve the page of consent, and the CRM's API."""
        if self._path == CONSENT_PATH:
            query = self._query
            error = request_error(self._zoho.accounts, query)
            page = error_page(error) if error else consent_page(query, self._zoho.emails)
            self._send(400 if error else 200, page.encode(), "text/html;charset=utf-8")
            self._note("authorize", None, 400 if error else 200)
        else:
            self._answer_call()

    def do_POST(self) -> None:
        """Serve the accounts server, and the CRM's API."""
        if self._path == CONSENT_PATH:
            self._answer_consent()
        elif self._path.startswith("/crm/"):
            self._answer_call()
        else:
            self._answer_token_request(self._form())

    def do_PUT(self) -> None:
        """Serve the CRM's API."""
        self._answer_call()

    def do_DELETE(self) -> None:
        """Serve the CRM's API."""
        self._answer_call()

    def _answer_consent(self) -> None:
        form = self._form()
        error = request_error(self._zoho.accounts, form)
        if error:
            self._send(400, error_page(error).encode(), "text/html;charset=utf-8")
        else:
            url = redirect_after(self._zoho.accounts, form, self._zoho.url)
            self._send(302, b"", "text/html;charset=utf-8", Location=url)
        self._note("authorize", form.get("account"), 400 if error else 302)

    def _answer_token_request(self, form: Mapping[str, str]) -> None:
        accounts = self._zoho.accounts
        if self._path == f"{OAUTH_PATH}/revoke":
            self._respond("revoke", None, accounts.revoke(form.get("token", "")))
            return
        time.sleep(self._zoho.delay)
        if self._path != OAUTH_PATH:
            self._respond("unknown", None, {"error": "invalid_url"}, 404)
        elif form.get("grant_type") == "refresh_token":
            self._respond_with_token("refresh", accounts.refresh(form))
        else:
            self._respond_with_token("grant", accounts.exchange(form))

    def _answer_call(self) -> None:
        """Answer a request with a valid access token; refuse any other one."""
        accounts, body = self._zoho.accounts, parse_body(self._body())
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        account = accounts.account_of(token) if scheme == "Zoho-oauthtoken" else None
        # The resource stands behind the version of the API.
        path = "/".join(self._path.strip("/").split("/")[2:])
        call = Call(self.command, path, self._query, body, account or Account(""))
        if account is None:
            self._respond(kind_of(call), None, INVALID_TOKEN, 401)
            return
        own = None if self._zoho.hook is None else self._zoho.hook(call)
        if own is None:
            answer = self._zoho.crm.answer(call, accounts.scopes_of(token))
            self._respond(answer.kind, account, answer.body, answer.status)
        else:
            self._respond(kind_of(call), account, own[1], own[0])

    def _form(self) -> dict[str, str]:
        return dict(parse_qsl(self._body().decode()))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _respond_with_token(self, kind: RequestKind, response: Response) -> None:
        account = self._zoho.accounts.account_of(str(response.get("access_token")))
        self._respond(kind, account, response)

    def _respond(
        self,
        kind: RequestKind,
        account: Account | None,
        response: Response | None,
        status: int = 200,
    ) -> None:
        self._note(kind, account.email if account else None, status)
        body = b"" if response is None else json.dumps(response).encode()
        self._send(status, body, "application/json;charset=utf-8")

    def _note(self, kind: RequestKind, email: str | None, status: int) -> None:
        self._zoho.requests.append(Request(kind, email, status))

    def _send(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # the client may have closed the connection
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the requests are in ``LocalZoho.requests``."""
