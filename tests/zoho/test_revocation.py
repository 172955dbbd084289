"""Revocation requests: to which host, and what their failures say."""

import pkgutil
from importlib import import_module

import pytest
import requests

import sdks
from support import shown
from zoho_tokenstore.errors import RevocationError
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho import revocation
from zoho_tokenstore.zoho.transport import Answer


def environments():
    package = import_module(f"{sdks.PACKAGE}.src.com.zoho.crm.api.dc")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    for center in sdks.DataCenter.__subclasses__():
        for kind in ("PRODUCTION", "SANDBOX", "DEVELOPER"):
            environment = getattr(center, kind)()
            yield environment.url, environment.accounts_url


@pytest.fixture
def zohos(monkeypatch):
    """What is sent to any Zoho; each answers as told, or that all is well."""
    sent = []

    def post_form(url, form, *, seconds):
        assert 0 < seconds <= 60
        sent.append((url, dict(form)))
        if isinstance(post_form.answer, Exception):
            raise post_form.answer
        return post_form.answer

    post_form.answer = Answer(200, b'{"status": "success"}')
    monkeypatch.setattr(revocation, "post_form", post_form)
    return post_form, sent


@pytest.mark.parametrize(("api_domain", "accounts_url"), sorted(environments()))
def test_each_data_centre_of_the_sdk_is_asked_at_its_accounts_server(
    zohos, api_domain, accounts_url
):
    revocation.revoke(TokenRecord(refresh_token="r", access_token="a", api_domain=api_domain))
    assert zohos[1] == [(f"{accounts_url}/revoke", {"token": "r"})]


@pytest.mark.parametrize(
    "api_domain",
    [
        "https://www.zohoapis.evil.com",
        "https://www.zohoapis.com.evil.com",
        "https://zohoapis.com.evil.com",
        "https://evil.com/www.zohoapis.com",
        "https://evil.com#.zohoapis.com",
        "https://www.zohoapis.com@evil.com",
        "https://evil.com\\.zohoapis.com",
        "https://evilzohoapis.com",
        "https://www.evil-zohoapis.com",
        "https://accounts.zoho.com",
        "https://[www.zohoapis.com",
        "https://www.zohoapis.com]",
        "www.zohoapis.com",
        "",
        None,
    ],
)
def test_no_other_host_is_asked(zohos, api_domain):
    token = TokenRecord(refresh_token="a secret", api_domain=api_domain)
    with pytest.raises(RevocationError, match="accounts-url") as caught:
        revocation.revoke(token)
    assert "a secret" not in str(caught.value)
    assert zohos[1] == []
    with pytest.raises(RevocationError, match="accounts-url"):
        revocation.revoke(token, "http://accounts.example.com/oauth/v2/token")
    revocation.revoke(token, "https://accounts.example.com/oauth/v2/token")
    assert zohos[1][0][0] == "https://accounts.example.com/oauth/v2/token/revoke"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, b'{"error": "invalid_code"}'), "'invalid_code'"),
        (Answer(200, b'{"error": "\\u001b[2Jgone"}'), r"x1b\[2Jgone"),
        (Answer(200, b'{"status": "failure"}'), "unknown"),
        (Answer(200, b'["success"]'), "unknown"),
        (Answer(200, b"<html>"), "unknown"),
        (Answer(200, b"\xff"), "unknown"),
        (Answer(200, b"[" * 100_000), "unknown"),
        (Answer(302, b'{"status": "success"}'), "302"),
        (requests.ReadTimeout(), "request to accounts.zoho.eu failed .ReadTimeout."),
        (Answer(503, b"body"), "503"),
    ],
    ids=[
        "an error",
        "control characters",
        "a failure",
        "a list",
        "no JSON",
        "no UTF-8",
        "too deep",
        "elsewhere",
        "too late",
        "unavailable",
    ],
)
def test_a_failed_revocation_says_why_and_shows_no_secret(zohos, answer, reason):
    zohos[0].answer = answer
    with pytest.raises(RevocationError, match=reason) as caught:
        revocation.revoke(
            TokenRecord(refresh_token="a secret", api_domain="https://www.zohoapis.eu")
        )
    zohos[1].clear()
    assert "a secret" not in shown(caught.value)
