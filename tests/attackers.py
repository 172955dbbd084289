"""An attacker who can write to the database, and what a store serves after that."""

from sqlalchemy import MetaData, create_engine, text

from sdks import SDKException
from support import KEY
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import EncryptionError, IndexKeyError
from zoho_tokenstore.tokens.digests import digest

EVIL = "https://evil.example"


class Attacker:
    """Has a connection, knows the schema, and knows plain digests; has no key and no token."""

    def __init__(self, url):
        self._engine = create_engine(url)

    def run(self, statement, **parameters):
        with self._engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.mappings().all() if result.returns_rows else []

    def row(self, user):
        (row,) = self.run("select * from oauthtoken where user_name = :user", user=user)
        return dict(row)

    def change(self, user, **values):
        changes = ", ".join(f"{name} = :{name}" for name in values)
        self.run(f"update oauthtoken set {changes} where user_name = :_user", _user=user, **values)

    def insert(self, **row):
        names = list(row)
        self.run(
            f"insert into oauthtoken ({', '.join(names)}) values"
            f" ({', '.join(f':{name}' for name in names)})",
            **row,
        )

    def drop_tables(self, prefix):
        """Tidy up, for the tests that use the database next."""
        tables = MetaData()
        tables.reflect(self._engine, only=lambda name, _: name.startswith(prefix))
        tables.drop_all(self._engine)

    def exchange(self, *columns):
        """Exchange values of Alice's row and Bob's."""
        alice, bob = self.row("alice"), self.row("bob")
        self.run("delete from oauthtoken where user_name in ('alice', 'bob')")
        self.insert(**alice | {name: bob[name] for name in columns})
        self.insert(**bob | {name: alice[name] for name in columns})

    def copy(self, *columns):
        """Copy values of Bob's row to Alice's."""
        bob = self.row("bob")
        self.change("alice", **{name: bob[name] for name in columns})

    def plant(self, user="alice", **values):
        """Put a row of their own, readable, in the place of a user's."""
        row = dict.fromkeys(self.row("bob"))
        self.run("delete from oauthtoken where user_name = :user", user=user)
        planted = row | {
            "id": "planted",
            "id_digest": digest("id", "planted"),
            "user_name": user,
            "client_id": "1000.CLIENT",
            "access_token": "1000.planted",
            "access_digest": digest("access_token", "1000.planted"),
            "refresh_token": "1000.planted",
            "refresh_digest": digest("refresh_token", "1000.planted"),
            "expiry": 1798761600000,
            "api_domain": EVIL,
            "user_digest": digest("user_name", user),
            "identity_digest": digest("identity", "user_name", user, "1000.CLIENT"),
        }
        times = {name: self.row("bob")[name] for name in ("created_at", "updated_at")}
        self.insert(**planted | times | values)

    def close(self):
        self._engine.dispose()


def opened(url, **options):
    return SQLAlchemyTokenStore(url, keyring=Keyring.from_text(KEY), **options)


def served(call):
    """Return what a call returns, ``None`` if it is refused."""
    try:
        return call()
    except SDKException as error:
        if not isinstance(error.cause, EncryptionError):
            raise
    except IndexKeyError:
        pass
    return None
