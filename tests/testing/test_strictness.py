"""LocalZoho is as strict as Zoho: consent, clients, redirect URLs, scopes, limits."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from commands import environment
from zoho_tokenstore.testing import ZOHO_LIMITS, Limits, LocalZoho

ALICE = "alice@example.com"
REDIRECT = "http://127.0.0.1:8000/callback"
SCOPES = "ZohoCRM.modules.leads.ALL,ZohoCRM.users.READ"


def post(zoho, path="", **form):
    return requests.post(f"{zoho.accounts_url}{path}", data=form, timeout=10).json()


def exchange(zoho, code, **changes):
    form = {"client_id": "c", "client_secret": "s", "redirect_uri": REDIRECT}
    return post(zoho, grant_type="authorization_code", code=code, **form | changes)


def refresh(zoho, token, **changes):
    form = {"client_id": "c", "client_secret": "s"} | changes
    return post(zoho, grant_type="refresh_token", refresh_token=token, **form)


def get(zoho, path, token):
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    return requests.get(f"{zoho.url}/crm/v8/{path}", headers=headers, timeout=10)


def authorize(zoho, **changes):
    query = {
        "response_type": "code",
        "client_id": "c",
        "scope": SCOPES,
        "redirect_uri": REDIRECT,
        "access_type": "offline",
        "prompt": "consent",
        "state": "a state & more",
    }
    query = {name: value for name, value in (query | changes).items() if value is not None}
    return requests.get(f"{zoho.url}/oauth/v2/auth", params=query, timeout=10)


def choose(page, **choice):
    """Press a button of the page; return the query of the redirect."""
    hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text.partition("<button")[0]))
    form = {name: value.replace("&amp;", "&") for name, value in hidden.items()} | choice
    url = page.url.partition("?")[0]
    answer = requests.post(url, data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: value for name, (value,) in query.items()}


def consented(zoho, **changes):
    return choose(authorize(zoho, **changes), account=ALICE)["code"]


def test_the_page_has_a_button_for_each_account_and_the_choice_is_the_consent(zoho):
    page = authorize(zoho)
    assert page.status_code == 200
    assert re.findall(r'name="account" value="([^"]*)"', page.text) == [ALICE, "bob@example.com"]
    back = choose(page, account="bob@example.com")
    assert back["state"] == "a state & more"
    assert back["location"] == "us"
    assert back["accounts-server"] == zoho.url
    login = exchange(zoho, back["code"])
    assert get(zoho, "users", login["access_token"]).json()["users"][0]["email"] == back_email()
    assert "refresh_token" in login


def back_email():
    return "bob@example.com"


def test_a_user_can_deny(zoho):
    back = choose(authorize(zoho), deny="1")
    assert back == {"error": "access_denied", "state": "a state & more"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"response_type": "token"}, "invalid_response_type"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client"),
        ({"redirect_uri": "https://evil.example.com/"}, "invalid_redirect_uri"),
        ({"redirect_uri": None}, "invalid_redirect_uri"),
        ({"scope": None}, "invalid_scope"),
    ],
)
def test_a_wrong_request_is_a_page_and_no_redirect(zoho, changes, word):
    zoho.accounts.register_client("c", "s", [REDIRECT])
    answer = authorize(zoho, **changes)
    assert answer.status_code == 400
    assert answer.history == []
    assert word in answer.text


def test_what_is_shown_is_escaped(zoho):
    page = authorize(zoho, client_id="<script>alert(1)</script>", state='"><script>')
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("changes", "has_one"),
    [
        ({}, True),
        ({"access_type": None}, False),
        ({"access_type": "online"}, False),
        ({"prompt": None}, False),
    ],
)
def test_the_second_login_has_a_refresh_token_only_if_it_was_asked_for(zoho, changes, has_one):
    assert "refresh_token" in exchange(zoho, consented(zoho, prompt=None)), "the first has one"
    assert ("refresh_token" in exchange(zoho, consented(zoho, **changes))) is has_one


def test_client_secret_and_redirect_url_have_to_be_the_right_ones(zoho):
    zoho.accounts.register_client("c", "s", [REDIRECT])
    code = consented(zoho)
    assert exchange(zoho, code, client_secret="t") == {"error": "invalid_client_secret"}
    assert exchange(zoho, code, client_id="d") == {"error": "invalid_client"}
    elsewhere = exchange(zoho, code, redirect_uri="http://127.0.0.1:9/")
    assert elsewhere == {"error": "invalid_redirect_uri"}
    login = exchange(zoho, code)
    token = login["refresh_token"]
    assert refresh(zoho, token, client_secret="t") == {"error": "invalid_client_secret"}
    assert "access_token" in refresh(zoho, token)


def test_a_code_is_good_for_three_minutes_and_for_its_client(zoho):
    assert exchange(zoho, consented(zoho), client_id="d") == {"error": "invalid_code"}
    code = consented(zoho)
    zoho.accounts.limits.grant_seconds = 0.0
    assert exchange(zoho, code) == {"error": "invalid_code"}
    zoho.accounts.limits.grant_seconds = None
    assert "access_token" in exchange(zoho, code)


def test_scopes_are_checked(zoho):
    token = exchange(zoho, consented(zoho))["access_token"]
    assert get(zoho, "users", token).status_code == 200
    assert get(zoho, "Leads/1", token).status_code == 200
    for path in ("org", "Contacts/1", "settings/fields?module=Leads", "settings/modules"):
        answer = get(zoho, path, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")


def test_ten_logins_in_ten_minutes():
    with LocalZoho(limits=Limits(grants=10)) as zoho:
        answers = [exchange(zoho, zoho.grant(ALICE)) for _ in range(11)]
        assert all("access_token" in answer for answer in answers[:10])
        assert answers[10] == {"error": "access_denied"}
        assert "access_token" in exchange(zoho, zoho.grant(ALICE), client_id="another")


def test_the_21st_refresh_token_drops_the_first_and_what_was_made_from_it():
    with LocalZoho(limits=Limits(refresh_tokens=20)) as zoho:
        logins = [exchange(zoho, zoho.grant(ALICE)) for _ in range(21)]
        assert refresh(zoho, logins[0]["refresh_token"]) == {"error": "invalid_code"}
        assert get(zoho, "org", logins[0]["access_token"]).status_code == 401
        assert "access_token" in refresh(zoho, logins[1]["refresh_token"])


def test_the_16th_access_token_drops_the_first():
    with LocalZoho(limits=Limits(access_tokens=15)) as zoho:
        login = exchange(zoho, zoho.grant(ALICE))
        tokens = [refresh(zoho, login["refresh_token"])["access_token"] for _ in range(15)]
        assert get(zoho, "org", login["access_token"]).status_code == 401
        assert all(get(zoho, "org", token).status_code == 200 for token in tokens)


def test_zohos_own_limits_are_one_name_and_not_shared():
    with LocalZoho(limits=ZOHO_LIMITS) as zoho:
        zoho.accounts.limits.grants = 1
        assert ZOHO_LIMITS.grants == 10


def test_a_hook_answers_instead(zoho):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    calls = []

    def hook(call):
        calls.append((call.method, call.path, call.account.email))
        return (429, {"code": "TOO_MANY_REQUESTS"}) if call.path == "Leads" else None

    zoho.hook = hook
    answer = get(zoho, "Leads", token)
    assert (answer.status_code, answer.json()) == (429, {"code": "TOO_MANY_REQUESTS"})
    assert get(zoho, "org", token).status_code == 200
    assert calls == [("GET", "Leads", ALICE), ("GET", "org", ALICE)]


def write(zoho, token, body, method="POST", path="Leads"):
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    url = f"{zoho.url}/crm/v8/{path}"
    return requests.request(method, url, json=body, headers=headers, timeout=10)


def test_what_a_hook_answers_changes_nothing(zoho):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    zoho.hook = lambda call: (500, {}) if call.method == "POST" else None
    assert write(zoho, token, {"data": [{"Last_Name": "Doe"}]}).status_code == 500
    assert get(zoho, "Leads", token).status_code == 204


@pytest.mark.parametrize("body", [{}, {"data": 5}, {"data": [5]}, {"data": []}, []])
def test_a_body_of_another_form_is_refused(zoho, body):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    for method, path in (("POST", "Leads"), ("PUT", "Leads"), ("PUT", "Leads/7")):
        answer = write(zoho, token, body, method, path)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DATA")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("criteria=(Last_Name:equals:Doe)", 204),
        ("criteria=((Last_Name:equals:Doe)or(Email:starts_with:a))", 204),
        ("criteria=((Last_Name:equals:Doe)and(Email:not_equal:a))", 400),
        ("criteria=Doe", 400),
        ("word=Doe", 204),
        ("page=1", 400),
    ],
)
def test_a_search_that_is_not_understood_is_refused(zoho, query, status):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    assert get(zoho, f"Leads/search?{query}", token).status_code == status


def test_a_deleted_record_does_not_come_back(zoho):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    created = write(zoho, token, {"data": [{"Last_Name": "Doe"}]}).json()["data"][0]
    path = f"Leads/{created['details']['id']}"
    assert get(zoho, path, token).status_code == 200
    assert write(zoho, token, None, "DELETE", path).status_code == 200
    assert get(zoho, path, token).status_code == 204


REQUIRED = {
    "Leads": ["Last_Name"],
    "Contacts": ["Last_Name"],
    "Accounts": ["Account_Name"],
    "Deals": ["Deal_Name", "Stage"],
}


@pytest.mark.parametrize("module", REQUIRED)
def test_a_record_without_a_field_that_its_module_requires_is_refused(zoho, module):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    (record,) = get(zoho, f"{module}/5", token).json()["data"]
    assert record.keys() == {"id", "Email", *REQUIRED[module]}
    complete = dict.fromkeys(REQUIRED[module], "x")
    for field in REQUIRED[module]:
        incomplete = complete | {field: ""}
        answer = write(zoho, token, {"data": [complete, incomplete]}, path=module)
        first, second = answer.json()["data"]
        assert (answer.status_code, first["code"]) == (202, "SUCCESS")
        assert second["code"] == "MANDATORY_NOT_FOUND"
        assert second["details"] == {"api_name": field, "json_path": f"$.data[1].{field}"}
    fields = get(zoho, f"settings/fields?module={module}", token).json()["fields"]
    assert {field["api_name"] for field in fields} >= set(REQUIRED[module])


def test_a_module_of_ones_own_requires_no_field(zoho):
    token = exchange(zoho, zoho.grant(ALICE))["access_token"]
    assert write(zoho, token, {"data": [{"Name": "x"}]}, path="Courses").status_code == 201


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


COMMAND = (sys.executable, "-m", "zoho_tokenstore", "local-zoho")


@contextmanager
def process(*options):
    """Run a local Zoho as a process of its own; return its addresses."""
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "--port", str(port), *options],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline().strip() for _ in range(2)]
        url = f"http://127.0.0.1:{port}"
        assert lines == [f"API domain: {url}", f"accounts server: {url}/oauth/v2/token"]
        yield SimpleNamespace(url=url, accounts_url=f"{url}/oauth/v2/token", port=port)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        process.stdout.close()


def refusal(*options):
    """Return the message of a command line that is refused."""
    done = subprocess.run(
        [*COMMAND, *options],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_it_is_a_process_of_its_own_on_a_port_of_ones_choice():
    with process("--account", "carol@example.com", "--limits") as zoho:
        page = authorize(zoho)
        assert re.findall(r'name="account" value="([^"]*)"', page.text) == ["carol@example.com"]
        assert f"port {zoho.port} cannot be used" in refusal("--port", str(zoho.port))


def test_its_process_knows_one_client_if_it_is_told_one():
    other = "http://127.0.0.1:8000/other"
    urls = ("--redirect-url", REDIRECT, "--redirect-url", other)
    with process("--client-id", "c", "--client-secret", "s", *urls) as zoho:
        assert "invalid_client" in authorize(zoho, client_id="d").text
        assert "invalid_redirect_uri" in authorize(zoho, redirect_uri=f"{REDIRECT}/3").text
        assert authorize(zoho, redirect_uri=other).status_code == 200
        code = choose(authorize(zoho), account=ALICE)["code"]
        assert exchange(zoho, code, client_secret="t") == {"error": "invalid_client_secret"}
        token = exchange(zoho, code)["access_token"]
        assert get(zoho, "Leads", token).status_code == 200


@pytest.mark.parametrize(
    "options",
    [("--client-id", "c"), ("--client-secret", "s"), ("--redirect-url", REDIRECT)],
    ids=lambda options: options[0],
)
def test_a_part_of_a_client_is_refused(options):
    assert "pass --client-id and --client-secret" in refusal("--port", "0", *options)
