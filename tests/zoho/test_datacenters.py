"""Which hosts a secret may be sent to."""

import pytest

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.zoho.datacenters import (
    DATA_CENTERS,
    checked_endpoint,
    data_center_at,
    is_own_host,
    token_endpoint,
)


@pytest.mark.parametrize("center", DATA_CENTERS, ids=lambda center: center.location)
def test_a_data_center_is_found_by_its_api_domain_and_by_its_accounts_server(center):
    for name in ("www", "sandbox", "developer"):
        assert token_endpoint(f"https://{name}.{center.api}") == center.token_endpoint
    assert data_center_at(f"https://{center.accounts}") == center
    assert data_center_at(center.token_endpoint) == center
    for other in (f"http://{center.accounts}", f"https://{center.accounts}:8443"):
        assert data_center_at(other) is None


def test_australia_has_two_spellings():
    assert data_center_at("https://accounts.zoho.au") == data_center_at(
        "https://accounts.zoho.com.au"
    )


@pytest.mark.parametrize(
    ("url", "api_domain", "own"),
    [
        ("https://www.zohoapis.eu/crm/v8/Leads", "https://www.zohoapis.eu", True),
        ("https://WWW.ZOHOAPIS.EU/books/v3/invoices", "https://www.zohoapis.eu", True),
        ("https://sandbox.zohoapis.eu/crm", "https://www.zohoapis.eu", True),
        ("https://desk.zoho.eu/api/v1/tickets", "https://www.zohoapis.eu", True),
        ("https://www.zohoapis.eu:443/", "https://www.zohoapis.eu", True),
        ("https://www.zohoapis.com/crm/v8/Leads", "https://www.zohoapis.eu", False),
        ("https://www.zohoapis.com.au/crm", "https://www.zohoapis.com", False),
        ("http://www.zohoapis.eu/crm", "https://www.zohoapis.eu", False),
        ("https://www.zohoapis.eu:8443/", "https://www.zohoapis.eu", False),
        ("https://zohoapis.eu.evil.com/", "https://www.zohoapis.eu", False),
        ("https://evilzohoapis.eu/", "https://www.zohoapis.eu", False),
        ("https://www.zohoapis.eu@evil.com/", "https://www.zohoapis.eu", False),
        ("https://evil.com\\@www.zohoapis.eu/", "https://www.zohoapis.eu", False),
        ("https://www.zohoapis.eu/", None, False),
        ("http://127.0.0.1:8001/crm", "http://127.0.0.1:8001", True),
        ("http://127.0.0.1:8002/crm", "http://127.0.0.1:8001", False),
        ("http://zoho.test/crm", "http://zoho.test", False),
        ("https://zoho.test/crm", "https://zoho.test", True),
        ("", "", False),
    ],
)
def test_a_token_goes_to_its_own_data_center_alone(url, api_domain, own):
    assert is_own_host(url, api_domain) is own


def test_an_accounts_server_is_configured_with_or_without_its_path():
    for url in ("https://accounts.zoho.eu", "https://accounts.zoho.eu/"):
        assert checked_endpoint(url) == "https://accounts.zoho.eu/oauth/v2/token"
    local = "http://127.0.0.1:8000/oauth/v2/token"
    assert checked_endpoint(local) == local


@pytest.mark.parametrize(
    "url",
    [
        "accounts.zoho.eu",
        "http://accounts.zoho.eu/oauth/v2/token",
        "https://",
        "ftp://accounts.zoho.eu",
        "https://user:secret@accounts.zoho.eu",
        "https://accounts.zoho.eu/oauth/v2/token?x=y",
        "https://accounts.zoho.eu:port/",
        "https://[accounts.zoho.eu",
        "https://accounts.zoho.eu\n/",
        "",
    ],
)
def test_what_is_no_endpoint_is_refused_without_being_repeated(url):
    with pytest.raises(ConfigurationError, match="pass an HTTPS URL") as caught:
        checked_endpoint(url)
    assert "secret" not in str(caught.value)
