"""Revocation requests: to which host, and what their failures say."""

import io
import pkgutil
from importlib import import_module
from urllib.error import HTTPError
from urllib.parse import parse_qs

import pytest

import sdks
from support import shown
from zoho_tokenstore.errors import RevocationError
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho import revocation


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

    def urlopen(request, timeout):
        assert 0 < timeout <= 60
        sent.append((request.full_url, parse_qs(request.data.decode())))
        answer = urlopen.answer
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    urlopen.answer = b'{"status": "success"}'
    monkeypatch.setattr(revocation, "urlopen", urlopen)
    return urlopen, sent


@pytest.mark.parametrize(("api_domain", "accounts_url"), sorted(environments()))
def test_each_data_centre_of_the_sdk_is_asked_at_its_accounts_server(
    zohos, api_domain, accounts_url
):
    revocation.revoke(TokenRecord(refresh_token="r", access_token="a", api_domain=api_domain))
    assert zohos[1] == [(f"{accounts_url}/revoke", {"token": ["r"]})]


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
    ids=repr,
)
def test_no_other_host_is_asked(zohos, api_domain):
    token = TokenRecord(refresh_token="a secret", api_domain=api_domain)
    with pytest.raises(RevocationError, match="accounts-url") as caught:
        revocation.revoke(token)
    assert "a secret" not in str(caught.value)
    assert zohos[1] == []
    revocation.revoke(token, "https://accounts.example.com/oauth/v2/token")
    assert zohos[1][0][0] == "https://accounts.example.com/oauth/v2/token/revoke"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"error": "invalid_code"}', "invalid_code"),
        (b'{"status": "failure"}', "unknown"),
        (b'["success"]', "unknown"),
        (b"<html>", "request to accounts.zoho.eu failed"),
        (b"\xff", "request to accounts.zoho.eu failed"),
        (TimeoutError(), "TimeoutError"),
        (HTTPError("u", 503, "m", None, io.BytesIO(b"body")), "503"),
    ],
    ids=str,
)
def test_a_failed_revocation_says_why_and_shows_no_secret(zohos, answer, reason):
    zohos[0].answer = answer
    with pytest.raises(RevocationError, match=reason) as caught:
        revocation.revoke(
            TokenRecord(refresh_token="a secret", api_domain="https://www.zohoapis.eu")
        )
    zohos[1].clear()
    assert "a secret" not in shown(caught.value)
