"""The built site in a real browser: every page, on a screen and on a phone, light and dark."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

from applications import CHROMIUM

ROOT = Path(__file__).parents[2]
pytest.importorskip("furo", reason="the site is built with the requirements of the docs")

MISSING = "backend not tested: Chromium: apt-get install chromium"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")

LOOK = Path(__file__).with_name("look.js").read_text()
"""Returns what is wrong with a page, as texts."""

FAULTY = """<!doctype html><title>x</title><body style="background: #fff">
<p style="color: #999">too pale</p><div style="width: 3000px">too wide</div><img src="x.png">
<svg role="img"></svg>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-q", "-W", "-b", "html", ROOT / "docs", folder]
    subprocess.run([sys.executable, *map(str, command)], check=True, timeout=240)
    return folder


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def looked_at(chromium, pages, width, scheme):
    """Return what is wrong with each of the pages."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    found = []
    for path in pages:
        page.goto(path.as_uri(), wait_until="load")
        found += [f"{path.name} at {width} px, {scheme}: {each}" for each in page.evaluate(LOOK)]
    context.close()
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_overflows_is_pale_or_lacks_a_text(site, chromium, width, scheme):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    assert looked_at(chromium, pages, width, scheme) == []


def test_a_faulty_page_is_seen(chromium, tmp_path):
    faulty = tmp_path / "faulty.html"
    faulty.write_text(FAULTY)
    found = "\n".join(looked_at(chromium, [faulty], 390, "light"))
    assert "too pale" in found
    assert "wider than the window" in found
    assert "x.png has no alternative text" in found
    assert "a drawing has no alternative text" in found


def test_the_outputs_of_commands_show_nothing_that_differs_from_build_to_build(site):
    page = (site / "reference/command-line.html").read_text()
    days = re.findall(r"\d{4}-\d\d-\d\d(?=(?: |&#160;|T)\d\d:\d\d)", page)
    assert set(days) == {"2026-12-01"}
    assert "/var/lib/myapp/tokens.db" in page
    assert gettempdir() not in page
    assert "starting&#160;16" not in page  # a line that the terminal replaces


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}


def test_no_link_within_the_site_is_dead(site):
    pages = {path.resolve(): Links(path) for path in site.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.exists() or (parts.fragment and parts.fragment not in anchors):
                dead.append(f"{path.name}: {link}")
    assert dead == []
