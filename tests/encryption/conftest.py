"""A store that is opened several times, with keys or without."""

import pytest

from zoho_tokenstore import Keyring, SQLAlchemyTokenStore


@pytest.fixture
def opened(url):
    """Open the store with some keys, or with none; it is closed after the test."""
    stores = []

    def opened(*keys, **options):
        text = ",".join(keys)
        keyring = Keyring.from_text(text) if text else None
        stores.append(SQLAlchemyTokenStore(url, keyring=keyring, **options))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()
