"""LocalZoho answers as Zoho does, so that what passes against it passes against Zoho."""

import time

import pytest
import requests

from zoho_tokenstore.testing import LocalZoho


def post(zoho, path="", **form):
    return requests.post(f"{zoho.accounts_url}{path}", data=form, timeout=10).json()


def log_in(zoho, email="alice@example.com", client="c"):
    return post(zoho, grant_type="authorization_code", code=zoho.grant(email), client_id=client)


def refresh(zoho, token, client="c"):
    return post(zoho, grant_type="refresh_token", refresh_token=token, client_id=client)


def get(zoho, path, token):
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    return requests.get(f"{zoho.url}{path}", headers=headers, timeout=10)


def test_a_grant_token_is_good_for_one_exchange(zoho):
    code = zoho.grant("alice@example.com")
    form = {"grant_type": "authorization_code", "code": code, "client_id": "c"}
    first = post(zoho, **form)
    assert first.keys() >= {"access_token", "refresh_token", "expires_in", "api_domain"}
    assert first["api_domain"] == zoho.url
    assert post(zoho, **form) == {"error": "invalid_code"}


def test_a_refresh_brings_an_access_token_and_no_refresh_token(zoho):
    login = log_in(zoho)
    answer = refresh(zoho, login["refresh_token"])
    assert "refresh_token" not in answer
    assert answer["access_token"] != login["access_token"]
    assert len(answer["access_token"]) == 70
    for token in (login["access_token"], answer["access_token"]):
        assert get(zoho, "/crm/v8/users?type=CurrentUser", token).status_code == 200


def test_a_refresh_token_belongs_to_its_client(zoho):
    login = log_in(zoho, client="one")
    assert refresh(zoho, login["refresh_token"], client="two") == {"error": "invalid_client"}
    assert refresh(zoho, "unknown") == {"error": "invalid_code"}


def test_each_user_sees_their_own_data(zoho):
    for email in ("alice@example.com", "bob@example.com"):
        token = log_in(zoho, email)["access_token"]
        assert get(zoho, "/crm/v8/users", token).json()["users"][0]["email"] == email
        assert get(zoho, "/crm/v6/Leads/7", token).json()["data"][0]["Email"] == email
    assert get(zoho, "/crm/v2/org", token).json()["org"][0]["zgid"]


@pytest.mark.parametrize("token", ["", "made-up"])
def test_an_invalid_access_token_is_refused_as_zoho_does(zoho, token):
    response = get(zoho, "/crm/v8/Leads/7", token)
    assert response.status_code == 401
    assert response.json()["code"] == "INVALID_TOKEN"
    assert zoho.requests[-1].email is None


def test_revoking_ends_a_login(zoho):
    login, other = log_in(zoho), log_in(zoho, "bob@example.com")
    assert post(zoho, "/revoke", token=login["refresh_token"]) == {"status": "success"}
    assert refresh(zoho, login["refresh_token"]) == {"error": "invalid_code"}
    assert get(zoho, "/crm/v8/org", login["access_token"]).status_code == 401
    assert get(zoho, "/crm/v8/org", other["access_token"]).status_code == 200
    assert post(zoho, "/revoke", token="unknown") == {"error": "invalid_code"}


def test_it_throttles_as_zoho_does():
    with LocalZoho(throttle=3) as zoho:
        token = log_in(zoho)["refresh_token"]
        assert all("access_token" in refresh(zoho, token) for _ in range(2))
        answer = refresh(zoho, token)
        assert (answer["error"], answer["status"]) == ("Access Denied", "failure")
        assert "access_token" not in answer
        assert "access_token" in log_in(zoho, "bob@example.com"), "others are not throttled"


def test_it_refuses_and_expires_tokens_on_command(zoho):
    login = log_in(zoho)
    zoho.expire_access_tokens()
    assert get(zoho, "/crm/v8/org", login["access_token"]).status_code == 401
    fresh = refresh(zoho, login["refresh_token"])["access_token"]
    zoho.refuse(fresh)
    assert get(zoho, "/crm/v8/org", fresh).status_code == 401
    zoho.refuse(login["refresh_token"])
    assert refresh(zoho, login["refresh_token"]) == {"error": "invalid_code"}
    code = zoho.grant("alice@example.com")
    zoho.refuse(code)
    assert post(zoho, grant_type="authorization_code", code=code) == {"error": "invalid_code"}


def test_access_tokens_live_as_long_as_it_says():
    with LocalZoho(lifetime=2.0) as zoho:
        token = log_in(zoho)["access_token"]
        assert get(zoho, "/crm/v8/org", token).status_code == 200
        time.sleep(2.1)
        assert get(zoho, "/crm/v8/org", token).status_code == 401


def test_the_token_endpoint_can_be_slow():
    with LocalZoho(delay=0.3) as zoho:
        started = time.monotonic()
        log_in(zoho)
        assert time.monotonic() - started >= 0.3


def test_it_counts_what_it_answered(zoho):
    login = log_in(zoho)
    refresh(zoho, login["refresh_token"])
    get(zoho, "/crm/v8/settings/fields?module=Leads", login["access_token"])
    get(zoho, "/crm/v8/Leads/7", login["access_token"])
    assert get(zoho, "/crm/v8/nothing/here/at-all", login["access_token"]).status_code == 404
    assert requests.post(f"{zoho.url}/elsewhere", timeout=10).status_code == 404
    kinds = ["grant", "refresh", "fields", "record", "unknown", "unknown"]
    assert [request.kind for request in zoho.requests] == kinds
    assert zoho.count("unknown") == 2
    assert zoho.requests[0].email == "alice@example.com"
