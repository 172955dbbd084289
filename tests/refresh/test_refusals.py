"""What Zoho refuses to one worker says nothing of the others; what is deleted stays deleted."""

import pytest

import sdks
from sdks import SETTERS, Application, SDKException, new_token
from support import make_token, stored
from zoho_tokenstore.errors import (
    ClientRefusedError,
    LoginRequiredError,
    RefreshThrottledError,
    UnknownUserError,
)
from zoho_tokenstore.testing import LocalZoho
from zoho_tokenstore.testing.accounts import Accounts

STORES = ("sqlite", "encrypted", "postgresql", "mariadb")
ALICE = "alice@example.com"


@pytest.fixture
def row(zoho, store, tmp_path):
    """Store Alice's login with an access token that has expired."""
    zoho.accounts.lifetime = 5.0  # the SDK refreshes 5 s before the end: at once
    Application(zoho, store, tmp_path).log_in(ALICE)
    zoho.accounts.lifetime = 3600.0
    sdks.forget()
    (row,) = stored(store)
    return row


@pytest.fixture
def visit(store, tmp_path):
    """Read a record as Alice with the settings of a worker; return the error, if it fails."""

    def visit(zoho, row, secret="secret"):
        token = new_token(refresh_token=row["refresh_token"])
        SETTERS["client_secret"](token, secret)
        sdks.forget()
        try:
            assert Application(zoho, store, tmp_path).visit(token, ALICE) == ALICE
        except SDKException as error:
            return error
        return None

    return visit


@pytest.fixture(params=["invalid_client_secret", "invalid_client"])
def refusal(request, monkeypatch):
    """Let Zoho refuse the client of a worker with the wrong secret."""

    def refresh(accounts, form, refresh=Accounts.refresh):
        if form["client_secret"] == "wrong":
            return {"error": request.param}
        return refresh(accounts, form)

    monkeypatch.setattr(Accounts, "refresh", refresh)
    return request.param


def test_a_wrong_client_secret_locks_no_other_worker_out(zoho, row, visit, refusal):
    assert visit(zoho, row, "wrong") is not None
    asked = zoho.count("refresh")
    again = visit(zoho, row, "wrong")
    assert isinstance(cause_of(again), ClientRefusedError)
    assert refusal in str(cause_of(again))
    assert zoho.count("refresh") == asked, "it is not asked again at once"
    assert visit(zoho, row) is None
    assert visit(zoho, row) is None


def test_the_budget_is_that_of_the_refresh_token_whoever_asks(zoho, row, visit, monkeypatch):
    monkeypatch.setattr("zoho_tokenstore.refresh.lease.PAUSE", 0.0)
    zoho.accounts.lifetime = 5.0  # each call refreshes
    issued = []

    def refresh(accounts, form, refresh=Accounts.refresh):
        if form["client_secret"] == "wrong":
            return {"error": "invalid_client"}
        issued.append(1)
        return refresh(accounts, form)

    monkeypatch.setattr(Accounts, "refresh", refresh)
    errors = [visit(zoho, row, secret) for secret in ("secret", "wrong") * 12]
    assert isinstance(cause_of(errors[-2]), RefreshThrottledError)
    assert len(issued) <= 10


def test_a_client_that_is_switched_on_again_is_asked_after_a_pause(zoho, row, visit, monkeypatch):
    monkeypatch.setattr("zoho_tokenstore.refresh.lease.PAUSE", 0.0)
    with monkeypatch.context() as switched_off:
        switched_off.setattr(Accounts, "refresh", lambda *_: {"error": "invalid_client"})
        assert visit(zoho, row) is not None
    assert visit(zoho, row) is None


def test_another_data_centers_server_locks_no_worker_out(zoho, row, visit):
    with LocalZoho() as elsewhere:
        assert visit(elsewhere, row) is not None
        assert isinstance(cause_of(visit(elsewhere, row)), LoginRequiredError)
        assert visit(zoho, row) is None


@pytest.mark.parametrize("deletion", ["delete_token", "delete_tokens"])
def test_a_token_that_is_deleted_during_its_refresh_stays_deleted(
    zoho, store, row, visit, monkeypatch, deletion
):
    def refresh(accounts, form, refresh=Accounts.refresh):
        answer = refresh(accounts, form)
        arguments = (row["id"],) if deletion == "delete_token" else ()
        getattr(store, deletion)(*arguments)
        return answer

    monkeypatch.setattr(Accounts, "refresh", refresh)
    error = visit(zoho, row)
    assert error is None, "the worker may finish"
    assert stored(store) == []


@pytest.mark.parametrize("empty", ["", None])
def test_an_answer_without_an_access_token_gives_the_old_one_no_new_life(
    zoho, store, row, visit, monkeypatch, empty
):
    with monkeypatch.context() as broken:

        def refresh(accounts, form, refresh=Accounts.refresh):
            return {**refresh(accounts, form), "access_token": empty}

        broken.setattr(Accounts, "refresh", refresh)
        assert visit(zoho, row) is not None
    assert stored(store) == [row]
    assert visit(zoho, row) is None


def cause_of(error):
    """Return our error, which an SDK may have wrapped more than once."""
    while error is not None and not error.__class__.__module__.startswith("zoho_tokenstore"):
        error = getattr(error, "cause", None) or error.__cause__
    return error


@pytest.mark.skipif(sdks.SDK.contract != "C", reason="this SDK's tokens name no user")
@pytest.mark.parametrize("name", ["nobody@example.com", "ALICE@example.com"])
def test_an_unknown_user_is_the_sdks_own_error_with_a_cause_that_names_them(
    zoho, row, store, tmp_path, name
):
    token = make_token(name)
    with pytest.raises(SDKException) as caught:
        Application(zoho, store, tmp_path).visit(token, name)
    error = caught.value
    while error.code != "MANDATORY VALUE ERROR":
        error = error.cause
    assert isinstance(error.cause, UnknownUserError)
    assert repr(name) in str(error)
    assert "zoho-tokenstore list" in str(error)
    assert store.find_token(make_token(name)) is None, "an application's own lookup"
    assert stored(store) == [row]


@pytest.mark.skipif(not sdks.NAMES_USERS, reason="this SDK does not ask for the user's name")
def test_two_deployments_with_a_login_each_and_no_name_are_told_so(zoho, store, tmp_path, caplog):
    tokens = []
    for _ in range(2):
        Application(zoho, store, tmp_path).log_in(ALICE)
        tokens.append(stored(store)[0]["refresh_token"])
    assert len(stored(store)) == 1
    for _ in range(3):
        for refresh_token in tokens:
            sdks.forget()
            Application(zoho, store, tmp_path).visit(new_token(refresh_token=refresh_token), ALICE)
    told = [message for message in caplog.messages if "UserSignature" in message]
    assert len(told) == 1, "once, to the one whose login is not the row's"
