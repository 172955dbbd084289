"""``LocalZoho``: a loopback stand-in for Zoho's accounts and CRM servers."""

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

from zoho_tokenstore.testing.accounts import ORG_ID, Account, Accounts, Answer

__all__ = ["LocalZoho", "Request"]

RequestKind = Literal["grant", "refresh", "revoke", "user", "org", "fields", "record", "unknown"]

TOKEN_PATH: Final = "/oauth/v2/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a :class:`LocalZoho` has answered.

    Attributes:
        kind: What it asked for.
        email: Whose token it carried, ``None`` when Zoho knows no such token.
        status: The HTTP status of the answer.
    """

    kind: RequestKind
    email: str | None
    status: int


class LocalZoho:
    """Zoho on 127.0.0.1, for tests and demonstrations of applications that use an SDK.

    It answers the token endpoint (grant and refresh), revoke, CurrentUser, org, fields and the
    read of one record, with the tokens and errors that Zoho would send. Use it as a context
    manager, or call :meth:`start` and :meth:`stop`; any thread or process may talk to it.

    Args:
        lifetime: Seconds that an access token lives.
        delay: Seconds that the token endpoint takes for an answer.
        throttle: Access tokens of one refresh token in ten minutes before the token endpoint
            answers ``Access Denied``, ``None`` for no limit. Zoho's own is 10.

    Attributes:
        accounts: Its tokens; ``lifetime`` and ``throttle`` can be changed there at any time.
        delay: As above; can be changed at any time.
        requests: Every request answered so far, in order.

    Example:
        >>> with LocalZoho() as zoho:
        ...     grant_token = zoho.grant("alice@example.com")
        ...     environment = DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url)
    """

    def __init__(
        self, *, lifetime: float = 3600.0, delay: float = 0.0, throttle: int | None = None
    ) -> None:
        """Take a free port; answer nothing yet."""
        self._server = _Server(self)
        self.accounts = Accounts(api_domain=self.url, lifetime=lifetime, throttle=throttle)
        self.delay = delay
        self.requests: list[Request] = []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The CRM API's base URL: first and third argument of ``DataCenter.Environment``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def accounts_url(self) -> str:
        """The token endpoint: second argument of ``DataCenter.Environment``."""
        return f"{self.url}{TOKEN_PATH}"

    def grant(self, email: str) -> str:
        """Issue a grant token for a user, good for one exchange."""
        return self.accounts.grant(email)

    def refuse(self, token: str) -> None:
        """Treat a grant, refresh or access token as invalid from now on."""
        self.accounts.refuse(token)

    def expire_access_tokens(self) -> None:
        """Make all access tokens issued so far invalid."""
        self.accounts.expire_access_tokens()

    def count(self, kind: RequestKind) -> int:
        """Return how many requests of a kind have been answered."""
        return Counter(request.kind for request in list(self.requests))[kind]

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Begin to answer."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop answering."""
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
        """Answer the accounts server's endpoints."""
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        path = urlsplit(self.path).path
        accounts = self._zoho.accounts
        if path == f"{TOKEN_PATH}/revoke":
            self._answer("revoke", None, accounts.revoke(form.get("token", "")))
            return
        time.sleep(self._zoho.delay)
        if path != TOKEN_PATH:
            self._answer("unknown", None, {"error": "invalid_url"}, 404)
        elif form.get("grant_type") == "refresh_token":
            self._answer_token("refresh", accounts.refresh(form))
        else:
            self._answer_token("grant", accounts.exchange(form))

    def do_GET(self) -> None:
        """Answer the CRM's endpoints, to whom has a valid access token."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        account = self._zoho.accounts.account_of(token) if scheme == "Zoho-oauthtoken" else None
        kind, answer = _crm_answer(urlsplit(self.path).path, account)
        if account is None:
            answer = {
                "code": "INVALID_TOKEN",
                "details": {},
                "message": "invalid oauth token",
                "status": "error",
            }
        status = 401 if account is None else 404 if kind == "unknown" else 200
        self._answer(kind, account, answer, status)

    def _answer_token(self, kind: RequestKind, answer: Answer) -> None:
        account = self._zoho.accounts.account_of(str(answer.get("access_token")))
        self._answer(kind, account, answer)

    def _answer(
        self, kind: RequestKind, account: Account | None, answer: Answer, status: int = 200
    ) -> None:
        self._zoho.requests.append(Request(kind, account.email if account else None, status))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # whoever asked may have given up
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep quiet: the requests are in ``LocalZoho.requests``."""


def _crm_answer(path: str, account: Account | None) -> tuple[RequestKind, Answer]:
    """Answer ``/crm/v<n>/<resource>``."""
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


def _field(name: str, kind: str) -> Answer:
    return {"id": "500001", "api_name": name, "data_type": kind, "field_label": name}
