"""Acting as a user: each thread's calls go out as the user of its block, in every SDK."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import sdks
from sdks import NAMES_USERS, SDK, Application, DataCenter, Initializer, UserSignature, parameters
from support import login, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    ConfigurationError,
    EventLoopError,
    UnknownUserError,
)
from zoho_tokenstore.testing.list_store import ListTokenStore

STORES = ("list", "encrypted", "sqlite", "postgresql", "mariadb")
USERS = [f"user{number}@example.com" for number in range(5)]
ALICE, BOB = USERS[:2]


@pytest.fixture
def application(zoho, store, tmp_path):
    return Application(zoho, store, tmp_path)


@pytest.fixture
def names(application, store):
    """Log the users in; return the names under which they are stored."""
    return {email: log_in(application, store, email) for email in USERS}


def log_in(application, store, email):
    token = application.log_in(email)
    if SDK.contract == "C" and not NAMES_USERS:
        token.set_user_signature(UserSignature(email))
        store.save_token(token)
        return email
    return sdks.user_name(email)


@pytest.fixture
def environment(zoho):
    named = {"name": "LOCAL"} if "name" in parameters(DataCenter.Environment) else {}
    return DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url, **named)


def calls_as(store, names, number, calls=40, **options):
    """Read records as one user after another; return how often the answer was another's."""
    wrong = 0
    for call in range(calls):
        email = USERS[(number + call) % len(USERS)]
        with store.acting_as(names[email], **options):
            wrong += Application.read_record() != email
    return wrong


def test_many_threads_act_as_many_users(store, names):
    with ThreadPoolExecutor(8) as threads:
        wrong = threads.map(lambda number: calls_as(store, names, number), range(8))
    assert sum(wrong) == 0


def test_each_user_is_refreshed_once(zoho, store, application):
    if isinstance(store, ListTokenStore):
        pytest.skip("a list coordinates no refreshes")
    zoho.accounts.lifetime = 5.0  # the SDK refreshes 5 s before the end: at once
    names = {email: log_in(application, store, email) for email in USERS}
    zoho.accounts.lifetime = 3600.0
    before = zoho.count("refresh")
    with ThreadPoolExecutor(8) as threads:
        wrong = threads.map(lambda number: calls_as(store, names, number, 10), range(8))
    assert sum(wrong) == 0
    assert zoho.count("refresh") - before <= len(USERS)


def test_the_sdk_need_not_be_initialized(store, names, environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the SDK keeps its files then
    sdks.forget()
    monkeypatch.setattr(Initializer, "json_details", None)
    assert calls_as(store, names, 0, 10, environment=environment) == 0
    assert Initializer.get_initializer() is None


def test_blocks_nest_and_restore_what_was_before(application, store, names):
    before = Initializer.get_initializer()
    with store.acting_as(names[ALICE]):
        with store.acting_as(names[BOB]):
            assert application.read_record() == BOB
        assert application.read_record() == ALICE
        with pytest.raises(ZeroDivisionError), store.acting_as(names[BOB]):
            raise ZeroDivisionError
        assert application.read_record() == ALICE
    assert Initializer.get_initializer() is before
    assert application.read_record() == USERS[-1]


@pytest.mark.usefixtures("names")
def test_an_unknown_user_is_an_error_before_anything_is_sent(zoho, store):
    before = len(zoho.requests)
    for name in ("nobody@example.com", ALICE.upper(), ""):
        with pytest.raises(UnknownUserError, match=rf"user '{name}'.*list"), store.acting_as(name):
            raise AssertionError("the block must not run")
    assert len(zoho.requests) == before


def test_an_event_loop_is_refused_and_its_threads_are_not(store, names):
    async def read(email):
        with pytest.raises(EventLoopError, match=r"asyncio\.to_thread"), store.acting_as(email):
            raise AssertionError("the block must not run")

        def read_as_user():
            with store.acting_as(names[email]):
                return Application.read_record()

        return await asyncio.to_thread(read_as_user)

    async def read_all():
        return await asyncio.gather(*(read(email) for email in USERS * 4))

    assert asyncio.run(read_all()) == USERS * 4


@pytest.mark.skipif(SDK.contract != "C", reason="its tokens have no API domain")
@pytest.mark.parametrize(
    ("domain", "accounts"),
    [
        ("https://www.zohoapis.eu", "https://accounts.zoho.eu/"),
        ("https://www.zohoapis.in", "https://accounts.zoho.in/"),
        ("https://sandbox.zohoapis.com", "https://accounts.zoho.com/"),
    ],
)
def test_the_environment_is_that_of_the_tokens_data_center(store, domain, accounts):
    store.save_token(login("alice", api_domain=domain))
    with store.acting_as("alice"):
        environment = Initializer.get_initializer().environment
        assert environment.url == domain
        assert environment.accounts_url.startswith(accounts)


@pytest.mark.skipif(SDK.contract != "C", reason="its tokens have no API domain")
def test_the_accounts_server_of_any_other_data_center_is_the_configured_one(sqlite_url):
    sdks.forget()
    accounts, domain = "https://accounts.example.com/oauth/v2/token", "https://crm.example.com"
    with SQLAlchemyTokenStore(sqlite_url, accounts_url=accounts) as store:
        sdks.save(store, login(ALICE, api_domain=domain), ALICE)
        with store.acting_as(ALICE):
            used = Initializer.get_initializer().environment
    assert (used.url, used.accounts_url, used.file_upload_url) == (domain, accounts, domain)


def test_an_unknown_data_center_is_an_error(sqlite_url):
    sdks.forget()
    with SQLAlchemyTokenStore(sqlite_url) as store:
        elsewhere = {"api_domain": "https://crm.example.com"} if SDK.contract == "C" else {}
        sdks.save(store, login(ALICE, **elsewhere), ALICE)
        with pytest.raises(ConfigurationError, match="environment="), store.acting_as(ALICE):
            raise AssertionError("the block must not run")


def test_a_user_of_two_clients_is_not_guessed(store, environment):
    for client in ("one", "two"):
        sdks.save(store, login(ALICE, client_id=client, refresh_token=client), ALICE)
    with pytest.raises(AmbiguousTokenError, match="client"), store.acting_as(ALICE):
        raise AssertionError("the block must not run")
    with store.acting_as(ALICE, client_id="two", environment=environment):
        token = Initializer.get_initializer().token
        assert token is not None
    assert len(stored(store)) == 2
