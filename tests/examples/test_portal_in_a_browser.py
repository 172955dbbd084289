"""The portal in a real browser: two users at once, and what a phone shows of it."""

import pytest
from playwright.sync_api import expect, sync_playwright

from applications import CHROMIUM

ALICE, BOB = "alice@example.com", "bob@example.com"

MISSING = "backend not tested: Chromium: apt-get install chromium"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def as_user(portal, zoho, chromium):
    """Log a user in, in a browser context of their own; return the page."""
    contexts = []

    def as_user(email, **options):
        name = email.partition("@")[0].title()
        zoho.add_records(email, "Leads", [{"First_Name": "First", "Last_Name": f"Of {name}"}])
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.goto(portal)
        page.get_by_role("link", name="Log in with Zoho").click()
        page.get_by_role("button", name=email).click()
        expect(page.get_by_role("heading", name="Students")).to_be_visible()
        return page

    yield as_user
    for context in contexts:
        context.close()


def test_two_users_work_at_once_and_see_their_own(as_user):
    alice, bob = as_user(ALICE), as_user(BOB)
    for page, own, others in (
        (alice, "First Of Alice", "Of Bob"),
        (bob, "First Of Bob", "Of Alice"),
    ):
        expect(page.get_by_role("link", name=own)).to_be_visible()
        expect(page.get_by_text(others)).to_have_count(0)
    alice.get_by_role("link", name="Add a student").click()
    alice.get_by_label("First name").fill("Ada")
    alice.get_by_label("Last name").fill("Bell")
    alice.get_by_role("button", name="Save").click()
    expect(alice.get_by_role("status")).to_have_text("The student was saved.")
    bob.get_by_role("link", name="First Of Bob").click()
    bob.get_by_label("Course").fill("Welding")
    bob.get_by_role("button", name="Save").click()
    for page in (alice, bob):
        page.reload()
    expect(alice.get_by_role("link", name="Ada Bell")).to_be_visible()
    expect(bob.get_by_text("Welding")).to_be_visible()
    expect(bob.get_by_text("Ada Bell")).to_have_count(0)
    alice.get_by_role("button", name="Log out").click()
    expect(alice.get_by_text("You are logged out.")).to_be_visible()
    bob.reload()
    expect(bob.get_by_role("link", name="First Of Bob")).to_be_visible()


def test_a_lost_login_and_a_forged_callback_are_explained(as_user, portal, zoho):
    page = as_user(ALICE)
    for token in list(zoho.accounts._logins):
        zoho.accounts.revoke(token)
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_role("status")).to_have_text("Your login has ended. Please log in again.")
    page.goto(f"{portal}/callback?code=forged&state=forged")
    expect(page.get_by_role("heading", name="The login has failed")).to_be_visible()


def test_who_denies_is_told_so(portal, chromium):
    page = chromium.new_page()
    page.goto(portal)
    page.get_by_role("link", name="Log in with Zoho").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="You are not logged in")).to_be_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(as_user, scheme):
    page = as_user(ALICE, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    for path in ("/students", "/students/new", "/account"):
        page.goto(f"{page.url.partition('/students')[0].partition('/account')[0]}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
