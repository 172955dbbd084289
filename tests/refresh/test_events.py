"""``RefreshPolicy(on_event=…)`` and the log: what happens to a refresh, in every way it can end."""

import logging

import pytest

from coordination import SERVER, Database, refresh, serve, worker
from zoho_tokenstore.errors import LoginRequiredError, RefreshThrottledError
from zoho_tokenstore.policy import RefreshEvent
from zoho_tokenstore.refresh.lease import THROTTLED, Failure
from zoho_tokenstore.tokens.record import TokenRecord


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "zoho_tokenstore.refresh")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


ENDS = {
    "refreshed": (lambda one, claim: one.settle_claim(claim), None),
    "late": (lambda one, claim: one.settle_claim(claim, is_late=True), None),
    "failed": (lambda one, claim: one.fail_claim(claim, Failure("ReadTimeout")), "ReadTimeout"),
}
SENTENCES = {
    ("refreshed", False): ("INFO", "token 1: refreshed in 2.00 s"),
    ("refreshed", True): ("INFO", "token 1: refreshed before its expiry in 2.00 s"),
    ("late", False): ("INFO", "token 1: came late after 2.00 s; a newer token is stored"),
    ("late", True): ("INFO", "token 1: came late after 2.00 s; a newer token is stored"),
    ("failed", False): ("WARNING", "token 1: refresh failed after 2.00 s: ReadTimeout"),
    ("failed", True): (
        "WARNING",
        "token 1: refresh before its expiry failed after 2.00 s: ReadTimeout",
    ),
}


@pytest.mark.parametrize(("kind", "early"), SENTENCES)
def test_the_end_of_a_refresh_is_an_event(said, kind, early):
    database = Database(100.0 if early else -1.0)
    events = []
    one = worker(database, on_event=events.append)
    claim = serve(one, database).claim
    database.seconds += 2
    end, reason = ENDS[kind]
    end(one, claim)
    for again, _ in ENDS.values():  # it has ended
        again(one, claim)
    assert events == [RefreshEvent(kind, "1", 2.0, early, reason)]
    assert said() == [SENTENCES[kind, early]]


def test_a_refusal_is_an_event(database, said):
    events = []
    one = worker(database, budget=1, on_event=events.append)
    refresh(one, database, expires_in=-1.0)
    with pytest.raises(RefreshThrottledError):
        serve(one, database)
    database.row = database.row._replace(refresh_token="another")
    one.fail_claim(serve(one, database).claim, Failure("invalid_code"))
    with pytest.raises(LoginRequiredError):
        serve(one, database)
    refused = [event for event in events if event.kind == "refused"]
    assert refused == [
        RefreshEvent("refused", "1", 0.0, reason=reason) for reason in (THROTTLED, "invalid_code")
    ]
    assert said()[1] == ("WARNING", f"token 1: no refresh now: {THROTTLED}")
    assert said()[-1] == ("WARNING", "token 1: no refresh now: invalid_code")


def test_a_first_login_is_an_event_of_no_token(database, said):
    events = []
    one = worker(database, on_event=events.append)
    wanted = TokenRecord(grant_token="g")
    one.settle_claim(one.claim_login(wanted, lambda: None, SERVER).claim)
    one.fail_claim(one.claim_login(wanted, lambda: None, SERVER).claim, Failure("invalid_code"))
    with pytest.raises(LoginRequiredError):
        one.claim_login(wanted, lambda: None, SERVER)
    assert [(event.kind, event.token_id) for event in events] == [
        ("refreshed", None),
        ("failed", None),
        ("refused", None),
    ]
    assert said()[0] == ("INFO", "a first login: refreshed in 0.00 s")


def test_a_wait_for_another_workers_refresh_is_an_event(database, said, monkeypatch):
    claim = serve(worker(database), database).claim

    def sleep(seconds):
        database.seconds += seconds
        database.save(claim, "new")

    monkeypatch.setattr(database, "sleep", sleep)
    events, began = [], database.seconds
    one = worker(database, on_event=events.append)
    assert serve(one, database).record.access_token == "new"
    waited = database.seconds - began
    assert events == [RefreshEvent("waited", "1", waited)]
    assert said() == [("INFO", f"token 1: waited {waited:.2f} s for another worker's refresh")]


def test_an_error_of_the_hook_is_logged_and_the_refresh_goes_on(database, said):
    one = worker(database, on_event=lambda event: event.unknown)
    refresh(one, database)
    assert serve(one, database).claim is None
    assert said()[1:] == [("ERROR", "RefreshPolicy(on_event=…) raised; the refresh goes on")]
