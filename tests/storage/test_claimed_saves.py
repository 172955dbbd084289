"""A refresh that ends when its lease is another worker's: what is stored, and what is served."""

import pytest

from support import login, make_token, record, stored
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.clock import ClockSkew
from zoho_tokenstore.refresh.inflight import InflightRefresh, RefreshClaim, login_digest
from zoho_tokenstore.refresh.lease import Lease
from zoho_tokenstore.schema.state import TokenSchema
from zoho_tokenstore.storage.claimed_saves import save_claimed
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def store(url):
    with SQLAlchemyTokenStore(url, refresh=None) as store:
        yield store


@pytest.fixture
def save_late(database):
    """Save what Zoho gave, for a claim that another worker has taken over; return what is newer."""
    tables = TokenTables(database, TokenSchema())

    def save_late(token, before=None):
        key = login_digest(token) if before is None else digest("id", before.id)
        mine = Lease(1, "mine", until=1)
        for lease in (mine, Lease(2, "another worker")):
            assert database.write(tables.leases.write_lease, key, lease)
        claim = RefreshClaim(
            key, mine, InflightRefresh(0.0), before, early=False, started=0.0, server=""
        )
        return database.write(save_claimed, tables, ClockSkew(), token, claim)[1]

    return save_late


def test_the_token_of_the_other_worker_is_served_and_stays(store, save_late):
    store.save_token(login("alice", access_token="before"))
    before = record(store.find_token(make_token("alice")))
    store.save_token(login("alice", access_token="newer"))
    newer = save_late(before._replace(access_token="late"), before)
    (row,) = stored(store)
    assert newer.access_token == row["access_token"] == "newer"


def test_a_worker_uses_its_own_token_while_the_other_one_refreshes(store, save_late):
    store.save_token(login("alice", access_token="before"))
    before = record(store.find_token(make_token("alice")))
    late = before._replace(access_token="late")
    assert save_late(late, before) == late
    assert stored(store) == [before.known()]


def test_a_first_login_is_not_lost_to_a_row_without_a_refresh_token(store, save_late):
    store.save_token(make_token("alice", client_id="1000.CLIENT", access_token="newer"))
    assert save_late(record(login("alice", grant_token="g"))) is None
    (row,) = stored(store)
    assert row["refresh_token"] == record(login("alice")).refresh_token


def test_a_first_login_does_not_replace_that_of_the_other_worker(store, save_late):
    store.save_token(login("alice", grant_token="g", refresh_token="newer", access_token="newer"))
    before = stored(store)
    newer = save_late(record(login("alice", grant_token="g")))
    assert newer.refresh_token == "newer"
    assert stored(store) == before
