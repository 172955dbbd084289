"""The store of this site, made once for each process."""

import os
from functools import cache

from django.conf import settings

from zoho_tokenstore import SQLAlchemyTokenStore


@cache
def store() -> SQLAlchemyTokenStore:
    """Return the store; ``manage.py tokens upgrade`` makes its tables."""
    url = {"ZOHO_TOKENSTORE_URL": settings.ZOHO_TOKENSTORE_URL}
    return SQLAlchemyTokenStore.from_env({**os.environ, **url}, create=False)
