"""The portal as its users meet it: behind gunicorn, many of them at once, with expired tokens."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from applications import EXAMPLES, Browser

ALICE, BOB = "alice@example.com", "bob@example.com"


def names_on(page):
    assert page.status_code == 200, page.text
    return [name.strip() for name in re.findall(r'href="/students/\d+">([^<]+)</a>', page.text)]


@pytest.fixture
def alice(portal, zoho):
    zoho.add_records(ALICE, "Leads", [{"First_Name": "Mary", "Last_Name": "Jones"}])
    with Browser(portal) as browser:
        page = browser.log_in(ALICE)
        assert names_on(page) == ["Mary Jones"]
        yield browser, page


def test_it_is_no_longer_than_promised():
    lines = sum(len(path.read_text().splitlines()) for path in (EXAMPLES / "portal").glob("*.py"))
    assert lines < 300


def test_twenty_users_with_expired_tokens_see_their_own(portal, zoho):
    emails = [f"user{number}@example.com" for number in range(20)]
    with ExitStack() as stack:
        browsers = [stack.enter_context(Browser(portal)) for _ in emails]
        for email, browser in zip(emails, browsers, strict=True):
            zoho.add_records(email, "Leads", [{"First_Name": "Of", "Last_Name": email}])
            zoho.accounts.lifetime = 1.0
            browser.log_in(email)
        zoho.accounts.lifetime = 3600.0
        zoho.requests.clear()
        visits = list(zip(emails, browsers, strict=True)) * 4
        with ThreadPoolExecutor(20) as threads:
            pages = list(threads.map(lambda visit: visit[1].get("/students"), visits))
    assert [names_on(page) for page in pages] == [[f"Of {email}"] for email, _ in visits]
    refreshed = [request.email for request in zoho.requests if request.kind == "refresh"]
    assert sorted(refreshed) == sorted(emails)


def test_a_user_adds_searches_and_edits(alice):
    browser, page = alice
    page = browser.post(
        "/students/new", page, First_Name="Ada", Last_Name="Bell", Company="Welding"
    )
    assert names_on(page) == ["Mary Jones", "Ada Bell"]
    assert names_on(browser.get("/students?word=weld")) == ["Ada Bell"]
    (path,) = re.findall(r'href="(/students/\d+)">Ada Bell', page.text)
    page = browser.post(path, browser.get(path), First_Name="Ada", Last_Name="Belle")
    assert names_on(page) == ["Mary Jones", "Ada Belle"]
    refused = browser.post("/students/new", page, First_Name="Nameless", Last_Name="")
    assert refused.status_code == 422
    assert "required field not found" in refused.text
    assert 'value="Nameless"' in refused.text, "what was typed is not lost"


def test_another_users_record_is_not_there(alice, portal, zoho):
    zoho.add_records(BOB, "Leads", [{"Last_Name": "Bobson"}])
    browser, page = alice
    (path,) = re.findall(r'href="(/students/\d+)">Mary', page.text)
    with Browser(portal) as other:
        assert names_on(other.log_in(BOB)) == ["Bobson"]
        assert other.get(path).status_code == 404
    assert browser.get(path).status_code == 200


def test_the_account_is_read_by_plain_rest(alice, zoho):
    browser, _ = alice
    zoho.expire_access_tokens()
    page = browser.get("/account")
    assert page.status_code == 200
    assert ALICE in page.text
    assert zoho.count("refresh") == 1


def test_logging_out_revokes_and_forgets(alice, zoho):
    browser, page = alice
    page = browser.post("/logout", page)
    assert "You are logged out." in page.text
    assert zoho.count("revoke") == 1
    assert "Log in with Zoho" in browser.get("/students").text


def test_a_lost_login_leads_back_to_the_start(alice, zoho):
    browser, _ = alice
    for token in list(zoho.accounts._logins):
        zoho.accounts.revoke(token)
    zoho.accounts.expire_access_tokens()
    page = browser.get("/account")
    assert "Please log in again." in page.text
    assert "Log in with Zoho" in page.text
    assert names_on(browser.log_in(ALICE)) == ["Mary Jones"]


def test_zohos_throttling_is_a_polite_page(alice, zoho):
    browser, _ = alice
    zoho.accounts.throttle = 0
    zoho.expire_access_tokens()
    page = browser.get("/account")
    assert page.status_code == 503
    assert "Please try again in" in page.text


@pytest.mark.parametrize(
    "query", ["", "?code=1000.forged&state=forged", "?error=access_denied", "?state=x"]
)
def test_a_forged_callback_is_a_polite_page(portal, zoho, query):
    with Browser(portal) as browser:
        browser.get("/login")
        page = browser.get(f"/callback{query}")
        assert page.status_code == 400
        assert "The login has failed" in page.text
    assert zoho.count("grant") == 0


def test_a_callback_that_comes_twice_is_a_polite_page(portal, zoho):
    with Browser(portal) as browser:
        page = browser.log_in(ALICE)
        callback = page.history[-1].url.removeprefix(portal)
        assert callback.startswith("/callback?")
        again = browser.get(callback)
        assert again.status_code == 400
    assert zoho.count("grant") == 1


def test_a_form_of_another_site_is_refused(alice):
    browser, _ = alice
    forged = browser._session.post(f"{browser.address}/logout", timeout=30)
    assert forged.status_code == 400
    assert names_on(browser.get("/students")) == ["Mary Jones"], "still logged in"
