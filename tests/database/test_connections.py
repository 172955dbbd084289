"""URLs as people have them: sockets, passwords, TLS, and a warning where that is missing."""

import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from support import login, make_token, sdk_error
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.database.tls import _remote_host
from zoho_tokenstore.errors import DatabaseUnavailableError, UnencryptedConnectionWarning

AWAY = "db.example.com"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def server_of(servers, open_database):
    """Return a server that is ours, and the URL of an empty database on it."""

    def server_of(kind):
        url = make_url(open_database(kind))
        server = servers.get(kind)
        if server.is_given:
            pytest.skip(f"{server.variable} names a server whose files are not ours")
        return server, url

    return server_of


@pytest.fixture(params=["mariadb", "mysql"])
def mysql(request, server_of):
    return server_of(request.param)


@pytest.fixture
def postgresql(server_of):
    return server_of("postgresql")


@pytest.fixture
def away(monkeypatch):
    """Another host's name, which leads here."""
    resolve = socket.getaddrinfo

    def resolve_away(host, *arguments, **options):
        return resolve("127.0.0.1" if host == AWAY else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_away)
    return AWAY


def use(url, look=id):
    """Use a database by its URL as text, and look at a connection of the store's."""
    with SQLAlchemyTokenStore(url.render_as_string(hide_password=False)) as store:
        store.save_token(login("alice"))
        assert store.find_token(make_token("alice")) is not None
        return store._database.read(
            lambda session: look(session.connection().connection.dbapi_connection)
        )


def use_two_connections(url):
    with SQLAlchemyTokenStore(url) as store, ThreadPoolExecutor(1) as other:
        store.get_tokens()

        def use_another(session):
            session.connection()
            other.submit(store.get_tokens).result()

        store._database.read(use_another)
        assert store._database._connections.engines.autocommit.pool.checkedout() == 2


def test_postgresql_by_a_unix_socket(postgresql):
    server, url = postgresql
    query = {"host": str(server.folder), "port": str(url.port)}
    by_socket = url.set(host=None, port=None).update_query_dict(query)
    assert use(by_socket, lambda connection: connection.info.host) == query["host"]


def test_mysql_by_a_unix_socket(mysql):
    server, url = mysql
    query = {"unix_socket": str(server.folder / "s")}
    by_socket = url.set(host=None, port=None).update_query_dict(query)
    assert use(by_socket, lambda connection: connection.host_info).endswith("socket")


def test_a_password_with_characters_that_urls_use(mysql):
    server, url = mysql
    server.execute(r"CREATE USER me IDENTIFIED BY 'p@ss/w\:rd %?#&'")
    try:
        server.execute(f"GRANT ALL ON {url.database}.* TO me")
        use(url.set(username="me", password="p@ss/w:rd %?#&"))
    finally:
        server.execute("DROP USER me")


def test_postgresql_insists_on_tls_when_told(postgresql):
    _, url = postgresql  # its build has no TLS
    with sdk_error(DatabaseUnavailableError):
        use(url.update_query_dict({"sslmode": "require"}))


def test_mysql_by_tls(server_of, away, tmp_path):
    server, url = server_of("mysql")  # it makes its own certificates
    authority = shutil.copy(server.folder / "data" / "ca.pem", tmp_path)
    query = {"ssl_ca": authority, "ssl_check_hostname": "false"}
    encrypted = url.set(host=away).update_query_dict(query)
    assert use(encrypted, lambda connection: connection._secure)


def test_postgresql_elsewhere_without_tls_is_warned_of_once(postgresql):
    _, url = postgresql
    with pytest.warns(UnencryptedConnectionWarning, match=f"{AWAY}.*sslmode") as warned:
        use_two_connections(url.set(host=AWAY).update_query_dict({"hostaddr": "127.0.0.1"}))
    assert times_warned(warned) == 1


def test_mariadb_elsewhere_without_tls_is_warned_of_once(server_of, away):
    _, url = server_of("mariadb")
    with pytest.warns(UnencryptedConnectionWarning, match=f"{AWAY}.*ssl_ca") as warned:
        use_two_connections(url.set(host=away))
    assert times_warned(warned) == 1


def times_warned(warnings):
    return [warning.category for warning in warnings].count(UnencryptedConnectionWarning)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://h/d", "h"),
        ("postgresql:///d?host=a:5432&host=b:5432", "a:5432"),
        ("postgresql:///d?host=localhost:5432&host=10.0.0.2", "10.0.0.2"),
        ("postgresql:///d?host=/run/postgresql", None),
        ("postgresql://localhost/d", None),
        ("postgresql://127.0.0.2/d", None),
        ("postgresql://[::1]:5432/d", None),
        ("postgresql://[2001:db8::1]/d", "2001:db8::1"),
        ("mysql:///d", None),
    ],
)
def test_which_host_is_another(url, host):
    assert _remote_host(make_url(url)) == host


def use_without_creating(url):
    with SQLAlchemyTokenStore(url, create=False) as store:
        token = login("alice")
        store.save_token(token)
        store.save_tokens([login("alice", access_token="new"), login("bob")])
        assert store.find_token(make_token("alice")).get_access_token() == "new"
        store.delete_token(token.get_id())
        assert len(store.get_tokens()) == 1
        store.delete_tokens()


def test_postgresql_needs_no_more_than_the_documented_permissions(postgresql):
    server, url = postgresql
    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
    server.execute("CREATE ROLE app LOGIN")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            for statement in documented_grants("postgresql"):
                connection.exec_driver_sql(statement)
        use_without_creating(url.set(username="app"))
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql("DROP OWNED BY app")
            connection.exec_driver_sql("DROP ROLE app")
        admin.dispose()


def test_mysql_needs_no_more_than_the_documented_permissions(mysql):
    server, url = mysql
    with SQLAlchemyTokenStore(url) as store:
        store.get_tokens()
    server.execute("CREATE USER app")
    try:
        for statement in documented_grants("mysql"):
            server.execute(statement.replace("tokens.", f"{url.database}."))
        use_without_creating(url.set(username="app"))
    finally:
        server.execute("DROP USER app")


def documented_grants(page):
    text = (DOCS / "how-to" / f"{page}.md").read_text()
    grants = re.findall(r"^GRANT .*;$", text, flags=re.MULTILINE)
    assert len(grants) == 5
    return [grant.rstrip(";") for grant in grants]
