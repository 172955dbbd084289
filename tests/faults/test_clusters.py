"""Several servers as one database: what was acknowledged is there, whichever of them dies."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clusters import Galera, PrimaryAndStandby, pgbouncer, wait_until_synced
from servers import UnavailableError
from support import Writers, known, login, make_token, stored
from zoho_tokenstore import SQLAlchemyTokenStore

pytestmark = pytest.mark.cluster


@pytest.fixture
def start():
    """Start a cluster, or skip where it cannot be had."""
    started = []

    def start(kind):
        try:
            started.append(kind())
        except UnavailableError as error:
            pytest.skip(f"backend not tested: {kind.__name__}: {error}")
        return started[-1]

    yield start
    for cluster in started:
        cluster.stop()


@pytest.fixture
def pooled_url(open_database):
    try:
        with pgbouncer(open_database("postgresql")) as url:
            yield url
    except UnavailableError as error:
        pytest.skip(f"backend not tested: pgbouncer: {error}")


def test_many_stores_share_two_connections_through_pgbouncer(pooled_url):
    def work(number):
        with SQLAlchemyTokenStore(pooled_url) as store:
            user = f"user {number}"
            for step in range(30):
                token = login(user, access_token=f"{number}.{step}")
                store.save_token(token)
                found = known(store.find_token(make_token(user)))
                assert found["access_token"] == f"{number}.{step}"
                assert store.find_token(make_token(refresh_token=found["refresh_token"]))
                assert store.find_token_by_id(token.get_id()).get_access_token()
            return user

    with ThreadPoolExecutor(16) as threads:
        users = list(threads.map(work, range(16)))
    with SQLAlchemyTokenStore(pooled_url) as store:
        assert sorted(row["user_name"] for row in stored(store)) == sorted(users)


def test_a_promoted_standby_takes_over_with_everything_acknowledged(start):
    cluster = start(PrimaryAndStandby)
    with SQLAlchemyTokenStore(cluster.url) as store:
        store.get_tokens()
        with Writers([store] * 4) as writers:
            writers.wait_for(100)
            cluster.primary.kill()
            cluster.standby.promote()
            writers.wait_for(100)
        writers.assert_nothing_is_lost(store)


def test_galera_nodes_all_take_writes_and_one_may_die(start):
    cluster = start(Galera)
    stores = [SQLAlchemyTokenStore(node.admin_url) for node in cluster.nodes]
    stores[0].get_tokens()
    with Writers(stores) as writers:
        writers.wait_for(200)
        assert writers.failed == [], "conflicts between nodes are tried again"
        cluster.nodes[2].kill()
        writers.wait_for(100)
        cluster.nodes[2].start_again()
        wait_until_synced(cluster.nodes[2])
        writers.wait_for(100)
    assert stored(stores[0]) == stored(stores[1]) == stored(stores[2])
    for store in stores:
        writers.assert_nothing_is_lost(store)
        store.close()
