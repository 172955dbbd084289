"""Batches of tokens stay within what a database takes in one statement."""

from sqlalchemy import create_engine, event

from support import KEY, login
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.database.dialects import Backend
from zoho_tokenstore.database.dialects.sqlite import SQLite

MOST_PARAMETERS = 2_100
"""SQL Server's, the smallest limit among the databases that SQLAlchemy comes with."""


def test_no_statement_of_a_batch_has_more_parameters_than_a_database_takes(
    monkeypatch, upgraded_sqlite_url
):
    # As in a database that takes no array: a parameter for each value.
    monkeypatch.setattr(SQLite, "one_of", Backend.one_of)
    numbers = []

    def count(_connection, _cursor, _statement, parameters, _context, many):
        numbers.extend(map(len, parameters) if many else [len(parameters)])

    engine = create_engine(upgraded_sqlite_url)
    event.listen(engine, "before_cursor_execute", count)
    tokens = [login(f"user {number}", grant_token=f"1000.{number}") for number in range(1_000)]
    with SQLAlchemyTokenStore(
        engine, keyring=Keyring.from_text(KEY), accept_readable=True
    ) as store:
        store.save_tokens(tokens)
        assert len(store.get_tokens()) == len(tokens)
    engine.dispose()
    assert 1_000 < max(numbers) < MOST_PARAMETERS
