"""Clients of ``httpx`` and ``requests`` as a stored user, against a local Zoho."""

import asyncio
import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import requests

from sdks import SDK
from support import logged_in
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import ForeignHostError, UnknownUserError
from zoho_tokenstore.http import HTTPXAuth, RequestsAuth
from zoho_tokenstore.http.user import is_refusal
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.testing.local_zoho import ZohoHandler

if SDK.contract != "C":
    pytest.skip("this SDK stores no API domain", allow_module_level=True)

ALICE = "alice@example.com"
STORES = ("sqlite",)


def by_httpx(auth, url, **options):
    with httpx.Client(auth=HTTPXAuth(*auth), follow_redirects=True) as client:
        return client.get(url, **options)


def by_async_httpx(auth, url, **options):
    async def get():
        async with httpx.AsyncClient(auth=HTTPXAuth(*auth), follow_redirects=True) as client:
            return await client.get(url, **options)

    return asyncio.run(get())


def by_requests(auth, url, **options):
    with requests.Session() as session:
        session.auth = RequestsAuth(*auth)
        return session.get(url, timeout=10, **options)


CLIENTS = pytest.mark.parametrize("get", [by_httpx, by_async_httpx, by_requests])


@pytest.fixture
def store(sqlite_url, zoho):
    with SQLAlchemyTokenStore(sqlite_url, accounts_url=zoho.accounts_url) as store:
        logged_in(zoho, store, ALICE)
        yield store


@pytest.fixture
def leads(zoho):
    return f"{zoho.url}/crm/v8/Leads/1"


def email_in(response):
    return response.json()["data"][0]["Email"]


@CLIENTS
def test_a_request_is_the_users(store, leads, zoho, get):
    assert email_in(get((store, ALICE), leads)) == ALICE
    assert [request.kind for request in zoho.requests] == ["record"]


@CLIENTS
def test_a_refused_token_is_refreshed_and_the_request_sent_again(store, leads, zoho, get):
    zoho.expire_access_tokens()
    assert email_in(get((store, ALICE), leads)) == ALICE
    seen = [(request.kind, request.status) for request in zoho.requests]
    assert seen == [("record", 401), ("refresh", 200), ("record", 200)]


def test_an_applications_own_hook_sees_the_answer_of_the_second_request(store, leads, zoho):
    zoho.expire_access_tokens()
    seen = []
    with requests.Session() as session:
        session.auth = RequestsAuth(store, ALICE)
        session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
        assert email_in(session.get(leads, timeout=10)) == ALICE
        assert email_in(session.get(leads, timeout=10)) == ALICE
    assert seen == [200, 200]


@pytest.mark.parametrize(("kind", "client"), [(HTTPXAuth, httpx), (RequestsAuth, requests)])
def test_the_lack_of_a_scope_says_nothing_of_the_token(
    store, leads, zoho, kind, client, monkeypatch
):
    auth = kind(store, ALICE)
    zoho.expire_access_tokens()
    with monkeypatch.context() as patched:
        patched.setattr(type(zoho.accounts), "scopes_of", lambda *_: ("ZohoCRM.users.READ",))
        assert client.get(leads, auth=auth, timeout=10).status_code == 401
    zoho.expire_access_tokens()
    assert email_in(client.get(leads, auth=auth, timeout=10)) == ALICE
    assert zoho.count("refresh") == 2


@CLIENTS
def test_what_is_refused_for_another_reason_is_not_refreshed(store, zoho, get):
    assert get((store, ALICE), f"{zoho.url}/elsewhere").status_code == 404
    assert zoho.count("refresh") == 0


@CLIENTS
def test_a_token_that_is_refused_although_it_is_new_is_refreshed_once(
    store, leads, zoho, get, monkeypatch
):
    monkeypatch.setattr(type(zoho.accounts), "account_of", lambda *_: None)
    assert get((store, ALICE), leads).status_code == 401
    assert zoho.count("refresh") == 1


@pytest.mark.parametrize("kind", [HTTPXAuth, RequestsAuth])
def test_a_client_that_is_always_refused_does_not_use_up_the_refreshes(
    store, leads, zoho, kind, monkeypatch
):
    monkeypatch.setattr(type(zoho.accounts), "account_of", lambda *_: None)
    auth = kind(store, ALICE)
    get = httpx.get if kind is HTTPXAuth else requests.get
    for _ in range(12):
        assert get(leads, auth=auth, timeout=10).status_code == 401
    assert zoho.count("refresh") == 1


@CLIENTS
def test_nothing_is_sent_to_another_host(store, get):
    with LocalZoho() as other:
        with pytest.raises(ForeignHostError, match=ALICE):
            get((store, ALICE), f"{other.url}/crm/v8/Leads/1")
        assert other.requests == []


@CLIENTS
def test_an_unknown_user_is_an_error_before_anything_is_sent(store, leads, zoho, get):
    with pytest.raises(UnknownUserError, match="bob"):
        get((store, "bob"), leads)
    assert zoho.requests == []


@CLIENTS
def test_a_redirect_to_another_host_takes_no_token_along(store, zoho, get, redirecting):
    with LocalZoho() as other:
        response = get((store, ALICE), redirecting(f"{other.url}/crm/v8/Leads/1"))
        assert response.status_code == 401
        assert [request.email for request in other.requests] == [None]
        assert len(other.requests) == 1, "nor is it asked again"
    assert zoho.count("refresh") == 0


@pytest.fixture
def redirecting(zoho, monkeypatch):
    """Make the local Zoho answer with a redirect."""
    handler = zoho._server.RequestHandlerClass
    get = handler.do_GET
    target = []

    def do_get(self):
        if not self.path.startswith("/away"):
            get(self)
            return
        self.send_response(302)
        self.send_header("Location", target[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    monkeypatch.setattr(handler, "do_GET", do_get)
    return lambda url: target.append(url) or f"{zoho.url}/away"


@pytest.mark.parametrize("kind", [HTTPXAuth, RequestsAuth])
def test_threads_that_are_refused_at_once_send_one_refresh(store, leads, zoho, kind):
    zoho.expire_access_tokens()
    start = threading.Barrier(16)
    auth = kind(store, ALICE)
    get = httpx.get if kind is HTTPXAuth else requests.get

    def ask(_):
        start.wait()
        return email_in(get(leads, auth=auth, timeout=30))

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(ask, range(16))) == {ALICE}
    assert zoho.count("refresh") == 1


def test_tasks_of_an_event_loop_send_one_refresh_and_it_goes_on(store, leads, zoho):
    zoho.expire_access_tokens()
    zoho.delay = 0.5
    ticks = []

    async def tick():
        while True:
            await asyncio.sleep(0.01)
            ticks.append(1)

    async def ask_all():
        beside = asyncio.create_task(tick())
        async with httpx.AsyncClient(auth=HTTPXAuth(store, ALICE)) as client:
            answers = await asyncio.gather(*(client.get(leads) for _ in range(16)))
        beside.cancel()
        return {email_in(answer) for answer in answers}

    assert asyncio.run(ask_all()) == {ALICE}
    assert zoho.count("refresh") == 1
    assert len(ticks) > 10


@pytest.fixture
def received(monkeypatch):
    """The bodies that a local Zoho has received."""
    bodies, read = [], ZohoHandler._body

    def reading(handler):
        body = read(handler)
        if handler.path.startswith("/crm"):
            bodies.append(body)
        return body

    monkeypatch.setattr(ZohoHandler, "_body", reading)
    return bodies


LEAD = '{"data": [{"Last_Name": "Doe"}]}'


@pytest.mark.parametrize("body", [LEAD, LEAD.encode(), io.BytesIO(LEAD.encode())], ids=type)
@pytest.mark.parametrize("post", [requests.post, httpx.post], ids=["requests", "httpx"])
def test_a_body_is_sent_again_whole(store, zoho, body, received, post):
    zoho.expire_access_tokens()
    kind = RequestsAuth if post is requests.post else HTTPXAuth
    name = "data" if post is requests.post else "content"
    url = f"{zoho.url}/crm/v8/Leads"
    if isinstance(body, io.BytesIO):
        body.seek(0)
    answer = post(url, **{name: body}, auth=kind(store, ALICE), timeout=10)
    assert answer.status_code == 201
    assert received == [LEAD.encode()] * 2


def test_a_body_that_cannot_be_sent_again_is_answered_with_the_refusal(store, zoho):
    zoho.expire_access_tokens()
    url, body = f"{zoho.url}/crm/v8/Leads", iter([b"once"])
    answer = requests.post(url, data=body, auth=RequestsAuth(store, ALICE), timeout=10)
    assert answer.status_code == 401
    answer = requests.get(url, auth=RequestsAuth(store, ALICE), timeout=10)
    assert answer.status_code == 204, "the next request has a new token"
    assert zoho.count("refresh") == 1


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"code": "INVALID_TOKEN"}', True),
        (b'{"errorCode": "INVALID_OAUTH"}', True),
        (b'{"code": "OAUTH_SCOPE_MISMATCH"}', False),
        (b'{"code": 57}', False),
        (b"[]", False),
        (b"<html>", False),
    ],
)
def test_which_answers_are_refusals_of_the_token(body, refused):
    assert is_refusal(body) is refused


def test_without_httpx_the_error_names_the_extra(monkeypatch):
    import zoho_tokenstore.http as package

    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "zoho_tokenstore.http.httpx_auth", raising=False)
    with pytest.raises(ImportError, match=r"zoho-tokenstore\[httpx\]"):
        _ = package.HTTPXAuth
    with pytest.raises(AttributeError):
        _ = package.Elsewhere
