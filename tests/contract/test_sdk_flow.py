"""The real, unpatched SDK on each store, with Zoho played by LocalZoho."""

import time

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.record import RecordOperations
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from support import stored

ALICE = "alice@example.com:60001234567"


@pytest.fixture
def initialize(zoho, store, tmp_path):
    def initialize(token):
        environment = DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url)
        config = SDKConfig(auto_refresh_fields=False, pick_list_validation=False)
        Initializer.initialize(
            environment, token, store=store, sdk_config=config, resource_path=str(tmp_path)
        )
        return token

    return initialize


def first_login(zoho, email="alice@example.com", **options):
    grant = zoho.grant(email)
    return OAuthToken("id", "secret", grant_token=grant, redirect_url="https://r", **options)


def read_record():
    """Read a record; the mail address in it is that of the access token's user."""
    response = RecordOperations("Leads").get_record(1)
    assert response.get_status_code() == 200, response.get_object()
    return response.get_object().get_data()[0].get_key_value("Email")


def test_a_first_login_is_stored_under_the_users_name(initialize, zoho, store):
    token = initialize(first_login(zoho))
    (row,) = stored(store)
    assert row["user_name"] == ALICE
    assert row["id"] == token.get_id()
    assert {"refresh_token", "access_token", "grant_token", "expiry"} <= row.keys()
    assert read_record() == "alice@example.com"
    assert (zoho.count("grant"), zoho.count("refresh")) == (1, 0)


@pytest.mark.parametrize("known_by", ["grant", "refresh", "id", "user"])
def test_a_new_process_goes_on_without_asking_zoho(initialize, zoho, store, known_by):
    initialize(first_login(zoho))
    (row,) = stored(store)
    again = {
        "grant": lambda: OAuthToken("id", "secret", grant_token=row["grant_token"]),
        "refresh": lambda: OAuthToken("id", "secret", refresh_token=row["refresh_token"]),
        "id": lambda: OAuthToken(id=row["id"]),
        "user": lambda: OAuthToken(user_signature=UserSignature(ALICE)),
    }[known_by]()
    initialize(again)
    assert read_record() == "alice@example.com"
    assert (zoho.count("grant"), zoho.count("refresh")) == (1, 0)
    assert stored(store) == [row]


@pytest.mark.parametrize("known_by", ["id", "user"])
def test_an_expired_token_is_refreshed_once_and_the_refresh_is_stored(
    initialize, zoho, store, known_by
):
    zoho.accounts.lifetime = 5.0  # the SDK refreshes 5 s before the end: at once
    token = first_login(zoho)
    initialize(token)
    zoho.accounts.lifetime = 3600.0
    (before,) = stored(store)
    by_id = known_by == "id"
    initialize(
        OAuthToken(id=before["id"]) if by_id else OAuthToken(user_signature=UserSignature(ALICE))
    )
    assert read_record() == read_record() == "alice@example.com"
    (after,) = stored(store)
    assert zoho.count("refresh") >= 1
    assert after["access_token"] != before["access_token"]
    assert after["expiry"] > time.time() * 1000 + 3_000_000
    assert after["refresh_token"] == before["refresh_token"]
    refreshes = zoho.count("refresh")
    assert read_record() == "alice@example.com"
    assert zoho.count("refresh") == refreshes


def test_twelve_users_are_each_served_with_their_own_token(initialize, zoho, store):
    emails = [f"user{number}@example.com" for number in range(12)]
    for email in emails:
        initialize(first_login(zoho, email))
        assert read_record() == email
    assert len({row["id"] for row in stored(store)}) == 12
    for row in stored(store):
        initialize(OAuthToken(id=row["id"]))
        assert f"{read_record()}:60001234567" == row["user_name"]


def test_a_login_without_find_user_is_stored_without_a_name(initialize, zoho, store):
    initialize(first_login(zoho, find_user=False))
    (row,) = stored(store)
    assert "user_name" not in row
    assert read_record() == "alice@example.com"
    initialize(OAuthToken("id", "secret", refresh_token=row["refresh_token"]))
    assert len(stored(store)) == 1
    assert zoho.count("refresh") == 0


def test_remove_deletes_the_row(initialize, zoho, store):
    token = initialize(first_login(zoho))
    assert token.remove() is True
    assert stored(store) == []


def test_remove_of_a_token_without_an_id_does_not_claim_success(initialize, zoho, store):
    initialize(first_login(zoho))
    assert OAuthToken("id", "secret", refresh_token="other").remove() is False
    assert len(stored(store)) == 1


def test_revoke_reaches_zoho_with_that_users_refresh_token(initialize, zoho, store):
    initialize(first_login(zoho, "bob@example.com"))
    token = initialize(first_login(zoho))
    assert token.revoke(token.get_id()) is True
    assert zoho.count("revoke") == 1
    with pytest.raises(SDKException, match="INVALID_TOKEN"):
        read_record()
    assert len(stored(store)) == 2, "the SDK leaves the row"


def test_an_unknown_id_is_the_sdks_own_error(initialize, store):
    with pytest.raises(SDKException):
        initialize(OAuthToken(id="unknown"))
    assert stored(store) == []


def test_every_token_of_get_tokens_can_be_initialised_with(initialize, zoho, store):
    for email in ("alice@example.com", "bob@example.com"):
        initialize(first_login(zoho, email))
    for token in store.get_tokens():
        initialize(token)
        assert read_record() == token.get_user_signature().get_name().split(":")[0]


def test_a_failing_refresh_leaves_the_stored_token_alone(initialize, zoho, store):
    zoho.accounts.lifetime = 5.0
    initialize(first_login(zoho))
    (before,) = stored(store)
    zoho.refuse(before["refresh_token"])
    with pytest.raises(SDKException):
        initialize(OAuthToken(id=before["id"]))
    assert stored(store) == [before]


def test_an_access_token_alone_is_stored_under_its_users_name(initialize, zoho, store):
    initialize(first_login(zoho))
    (row,) = stored(store)
    store.delete_tokens()
    initialize(OAuthToken(access_token=row["access_token"]))
    (pasted,) = stored(store)
    assert pasted["user_name"] == ALICE
    initialize(OAuthToken(user_signature=UserSignature(ALICE)))
    assert read_record() == "alice@example.com"
