"""The coordination itself, on a clock of the test's own: decisions, and random schedules."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination import HOUR, SERVER, Database, refresh, serve, worker
from support import wait_until
from zoho_tokenstore import RefreshPolicy
from zoho_tokenstore.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    LoginRequiredError,
    RefreshError,
    RefreshFailedError,
    RefreshThrottledError,
)
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.inflight import SingleFlight
from zoho_tokenstore.refresh.lease import THROTTLED, Failure
from zoho_tokenstore.tokens.record import TokenRecord


@pytest.fixture
def database():
    return Database()


@pytest.mark.parametrize(
    ("expires_in", "due"), [(HOUR, False), (301, False), (299, True), (5, True), (-5, True)]
)
def test_a_token_is_due_from_five_minutes_before_its_expiry(expires_in, due):
    database = Database(expires_in)
    assert worker(database).is_due(database.row) is due


def test_without_a_refresh_token_or_an_expiry_nothing_is_due(database):
    assert not worker(database).is_due(database.row._replace(refresh_token=None))
    assert not worker(database).is_due(database.row._replace(expiry=None))


def test_the_budget_is_counted_over_a_moving_window(database):
    one = worker(database, budget=3, budget_window=600)
    for _ in range(3):
        refresh(one, database, expires_in=-1.0)
        database.seconds += 100
    with pytest.raises(RefreshThrottledError, match="300 seconds") as caught:
        serve(one, database)
    assert caught.value.seconds == 300
    database.seconds += 301
    refresh(one, database, expires_in=-1.0)
    with pytest.raises(RefreshThrottledError):
        serve(one, database)


def test_a_valid_token_is_served_when_the_budget_is_spent():
    database = Database(-1.0)
    one = worker(database, budget=1)
    refresh(one, database, expires_in=200.0)
    database.seconds += 10
    assert serve(one, database).claim is None
    assert serve(one, database).record == database.row


def test_a_new_refresh_token_has_a_budget_of_its_own(database):
    one = worker(database, budget=1)
    refresh(one, database, expires_in=-1.0)
    database.row = database.row._replace(refresh_token="another")
    refresh(one, database, expires_in=-1.0)


def test_a_claim_that_finds_a_newer_token_does_not_count(database):
    one = worker(database, budget=2)
    refresh(one, database, expires_in=-1.0)
    due = database.row
    database.renew("newer")
    served = one.claim_refresh(due, database.find, SERVER)
    assert (served.record, served.claim) == (database.row, None)
    assert [lease.until for lease in database.leases.values()] == [0]
    database.renew("due", expires_in=-1.0)
    refresh(one, database, expires_in=-1.0)
    with pytest.raises(RefreshThrottledError):
        serve(one, database)


def test_what_zoho_has_not_issued_does_not_count(database):
    one = worker(database, budget=1)
    one.fail_claim(serve(one, database).claim, Failure("ConnectTimeout"))
    one.fail_claim(serve(one, database).claim, Failure("ReadTimeout", answered=False))
    with pytest.raises(RefreshThrottledError):
        serve(one, database)


def test_a_failure_gives_no_earlier_refresh_back(database):
    one = worker(database, budget=2)
    refresh(one, database, expires_in=-1.0)
    one.fail_claim(serve(one, database).claim, Failure("ConnectTimeout"))
    refresh(one, database, expires_in=-1.0)
    with pytest.raises(RefreshThrottledError):
        serve(one, database)


def test_a_throttling_is_a_pause_also_for_other_workers(database):
    one, other = worker(database, cooldown=90), worker(database)
    one.fail_claim(serve(one, database).claim, Failure(THROTTLED))
    with pytest.raises(RefreshThrottledError, match="90 seconds"):
        serve(other, database)
    database.seconds += 91
    assert serve(other, database).claim is not None


def test_a_refused_login_is_remembered_until_the_refresh_token_is_another(database):
    one, other = worker(database), worker(database)
    one.fail_claim(serve(one, database).claim, Failure("invalid_code"))
    database.seconds += 10 * HOUR
    with pytest.raises(LoginRequiredError) as caught:
        serve(other, database)
    assert caught.value.reason == "invalid_code"
    database.row = database.row._replace(refresh_token="another")
    assert serve(other, database).claim is not None


def test_an_early_failure_pauses_only_early_refreshes():
    database = Database(100.0)
    one, other = worker(database), worker(database)
    one.fail_claim(serve(one, database).claim, Failure("HTTP status 500"))
    assert serve(other, database) == (database.row, None)
    database.seconds += 31
    assert serve(other, database).claim is not None


def test_the_thread_that_holds_a_claim_gets_it_again(database):
    one = worker(database)
    first, second = serve(one, database), serve(one, database)
    assert first.claim is second.claim is not None


def test_threads_that_waited_for_a_failure_get_it(database):
    one = worker(database)
    claim = serve(one, database).claim
    raised = []

    def wait():
        try:
            serve(one, database)
        except RefreshFailedError as error:
            raised.append(error.reason)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    one.fail_claim(claim, Failure("HTTP status 500"))
    for thread in threads:
        thread.join()
    assert set(raised) <= {"HTTP status 500"}


@pytest.mark.parametrize("secret", [None, "another"])
def test_a_worker_that_waited_for_a_failure_gets_it_if_it_sends_the_same(
    database, monkeypatch, secret
):
    other, row = worker(database), database.row._replace(client_secret=secret)
    claim = serve(other, database).claim

    def sleep(seconds):
        database.seconds += seconds
        other.fail_claim(claim, Failure("HTTP status 500"))

    monkeypatch.setattr(database, "sleep", sleep)
    one = worker(database)
    if secret:
        assert one.claim_refresh(row, database.find, SERVER).claim is not None
        return
    with pytest.raises(RefreshFailedError) as caught:
        one.claim_refresh(row, database.find, SERVER)
    assert caught.value.reason == "HTTP status 500"


def test_a_worker_that_waited_for_a_throttling_is_told_how_long_it_lasts(database, monkeypatch):
    other = worker(database, cooldown=90)
    claim = serve(other, database).claim

    def sleep(seconds):
        database.seconds += seconds
        other.fail_claim(claim, Failure(THROTTLED))

    monkeypatch.setattr(database, "sleep", sleep)
    with pytest.raises(RefreshThrottledError, match="90 seconds") as caught:
        serve(worker(database, cooldown=90), database)
    assert caught.value.seconds == 90


def test_a_claim_whose_answer_was_lost_is_the_workers_own(database, monkeypatch):
    write_lease = database.write_lease

    def write_unseen(key, lease):
        monkeypatch.undo()
        write_lease(key, lease)
        return False

    monkeypatch.setattr(database, "write_lease", write_unseen)
    one = worker(database)
    claim = serve(one, database).claim
    assert claim is not None
    database.save(claim, "new")
    one.settle_claim(claim)
    assert serve(one, database) == (database.row, None)


def test_a_thread_that_waited_in_vain_refreshes_itself(database):
    one = worker(database)
    claim = serve(one, database).claim
    with ThreadPoolExecutor(1) as threads:
        theirs = threads.submit(serve, one, database)
        database.leases.clear()
        one.settle_claim(claim)  # without a new token
        theirs = theirs.result()
    assert theirs.claim is not None
    assert theirs.claim is not claim


def test_an_early_refresh_is_not_repeated_before_the_early_window_has_passed():
    database = Database()
    one = worker(database, early=300)
    refresh(one, database, expires_in=500.0)
    database.seconds += 210
    assert serve(one, database) == (database.row, None)
    database.seconds += 91
    assert serve(one, database).claim is not None


def test_other_threads_go_on_with_a_token_that_is_refreshed_early():
    database = Database(100.0)
    one = worker(database)
    assert serve(one, database).claim.early
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(serve, one, database).result() == (database.row, None)


def test_without_an_access_token_no_refresh_is_early():
    database = Database()
    database.row = database.row._replace(access_token=None)
    assert not serve(worker(database), database).claim.early


@pytest.mark.parametrize("valid", [True, False])
def test_a_database_that_fails_costs_only_an_early_refresh(monkeypatch, caplog, valid):
    def read_lease(_key):
        raise DatabaseUnavailableError("gone")

    database = Database(100.0 if valid else -1.0)
    monkeypatch.setattr(database, "read_lease", read_lease)
    one = worker(database)
    if valid:
        assert serve(one, database) == (database.row, None)
        assert caplog.messages == ["no early refresh: gone"]
    else:
        with pytest.raises(DatabaseUnavailableError):
            serve(one, database)
    monkeypatch.undo()
    assert serve(one, database).claim is not None


def test_first_logins_with_other_tokens_do_not_wait_for_each_other(database):
    tokens = ({"grant_token": "g"}, {"grant_token": "another"}, {"refresh_token": "g"})
    began = database.seconds
    claims = [
        worker(database).claim_login(TokenRecord(**token), lambda: None, SERVER).claim
        for token in tokens
    ]
    assert len({claim.key for claim in claims}) == len(tokens)
    assert database.seconds == began


def test_only_what_zoho_refuses_for_good_is_reported_as_refused(database):
    refused = []
    one = RefreshCoordinator(RefreshPolicy(), database, database, on_refused=refused.append)
    one.fail_claim(serve(one, database).claim, Failure("HTTP status 500"))
    one.fail_claim(
        one.claim_login(TokenRecord(grant_token="g"), lambda: None, SERVER).claim,
        Failure("invalid_code"),
    )
    assert refused == []
    one.fail_claim(serve(one, database).claim, Failure("invalid_code"))
    assert refused == [database.row]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("early", -1),
        ("early", "5 minutes"),
        ("lease", 0),
        ("wait", float("nan")),
        ("wait", float("inf")),
        ("http_timeout", None),
        ("http_timeout", 30),
        ("budget", 0),
        ("budget", 2.5),
        ("budget", True),
        ("budget_window", -600),
        ("cooldown", []),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(ConfigurationError, match=name):
        RefreshPolicy(**{name: value})


def test_early_may_be_nothing():
    database = Database(6.0)
    assert not worker(database, early=0).is_due(database.row)


class Schedule:
    """Workers as threads, of which one runs at a time, as the test draws them.

    A worker hands over before everything that the others could see or change.
    """

    def __init__(self, draws):
        self.draws = draws
        self.turn = threading.Condition()
        self.waiting = set()
        self.running = None

    def hand_over(self, name):
        with self.turn:
            self.waiting.add(name)
            self.running = None
            self.turn.notify_all()
            self.turn.wait_for(lambda: self.running == name)
            self.waiting.discard(name)

    def run(self, work, names):
        alive = set(names)

        def begin(name):
            self.hand_over(name)
            try:
                work(name)
            finally:
                with self.turn:
                    alive.discard(name)
                    self.running = None
                    self.turn.notify_all()

        threads = [threading.Thread(target=begin, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        while True:
            with self.turn:
                self.turn.wait_for(lambda: self.running is None and self.waiting >= alive)
                if not alive:
                    return
                name = self.draws.draw(st.sampled_from(sorted(alive)), label="who goes on")
                self.running = name
                self.turn.notify_all()


class Shared:
    """The database as one worker of a schedule sees it."""

    def __init__(self, database, schedule, name):
        self.database, self.schedule, self.name = database, schedule, name

    def __getattr__(self, attribute):
        method = getattr(self.database, attribute)

        def call(*args):
            self.schedule.hand_over(self.name)
            return method(*args)

        return call

    def time(self):
        return self.database.seconds

    monotonic = time


@settings(max_examples=60, deadline=None)
@given(draws=st.data(), fails=st.sampled_from([None, "invalid_code", "HTTP status 500"]))
def test_in_any_order_zoho_gets_one_request_and_every_worker_an_answer(draws, fails):
    database = Database()
    schedule = Schedule(draws)
    asked, answers = [], {}

    def work(name):
        shared = Shared(database, schedule, name)
        refresher = RefreshCoordinator(
            RefreshPolicy(lease=900, http_timeout=10, wait=800), shared, shared
        )
        try:
            served = refresher.claim_refresh(database.row, shared.find, SERVER)
            if served.claim is None:
                answers[name] = served.record.access_token
                return
            asked.append(name)
            schedule.hand_over(name)
            if fails and len(asked) == 1:
                refresher.fail_claim(served.claim, Failure(fails))
                answers[name] = "Zoho's error"
                return
            shared.save(served.claim, f"a{len(asked)}")
            refresher.settle_claim(served.claim)
            answers[name] = f"a{len(asked)}"
        except RefreshError as error:
            answers[name] = type(error).__name__

    names = ("one", "two", "three")

    schedule.run(work, names)
    assert set(answers) == set(names)
    if fails is None:
        assert len(asked) == 1
        assert set(answers.values()) == {"a1"}
    elif fails == "invalid_code":
        assert len(asked) == 1
        assert sorted(answers.values()) == [*["LoginRequiredError"] * 2, "Zoho's error"]
    else:
        assert len(asked) <= 2, "who comes after the failure may try again, once"
        assert set(answers.values()) <= {"Zoho's error", "RefreshFailedError", "a2"}


def test_no_early_refresh_is_made_of_a_login_that_was_replaced_just_now():
    database = Database(200.0)
    seen = database.row
    database.row = seen._replace(refresh_token="another")
    database.renew("of another login")
    served = worker(database).claim_refresh(seen, database.find, SERVER)
    assert (served.record, served.claim) == (database.row, None)
    (lease,) = database.leases.values()
    assert not lease.is_held(int(database.seconds * 1000))
    assert not lease.starts


def test_a_row_that_is_deleted_before_its_refresh_begins_is_no_login_to_be_made(database):
    refresher, row = worker(database, early=0), database.row._replace(expiry=0)
    served = refresher.claim_refresh(row, lambda: None, SERVER)
    assert served.claim is not None
    assert not served.claim.is_login


@pytest.mark.parametrize(
    "other", [{"client_secret": "right"}, {"server": "https://accounts.example.eu"}]
)
def test_a_thread_with_another_secret_or_server_does_not_share_the_failure(
    database, monkeypatch, other
):
    joined = []

    def join(flights, *arguments, join=SingleFlight.join):
        joined.append(join(flights, *arguments))
        return joined[-1]

    monkeypatch.setattr(SingleFlight, "join", join)
    database.row = database.row._replace(expiry=0, client_secret="wrong")
    refresher = worker(database)
    mine = serve(refresher, database).claim
    row = database.row._replace(client_secret=other.get("client_secret", "wrong"))
    with ThreadPoolExecutor(1) as threads:
        theirs = threads.submit(
            refresher.claim_refresh, row, database.find, other.get("server", SERVER)
        )
        wait_until(lambda: len(joined) == 2)
        refresher.fail_claim(mine, Failure("invalid_client_secret"))
        assert theirs.result().claim is not None
