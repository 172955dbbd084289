"""The OAuth token store for Zoho CRM's Python SDKs, on any SQLAlchemy database.

>>> from zoho_tokenstore import SQLAlchemyTokenStore
>>> store = SQLAlchemyTokenStore("sqlite:///tokens.db")  # pass it as store= to Initializer
"""

from importlib.metadata import version

from zoho_tokenstore.encryption.keyring import Keyring
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.policy import RefreshPolicy, TokenPolicy
from zoho_tokenstore.schema.models import OAuthTokenRow
from zoho_tokenstore.store import SQLAlchemyTokenStore
from zoho_tokenstore.tokens.access_token import AccessToken

__all__ = [
    "AccessToken",
    "Keyring",
    "OAuthTokenRow",
    "RefreshPolicy",
    "SQLAlchemyTokenStore",
    "TokenPolicy",
    "TokenStoreError",
    "__version__",
]

__version__ = version("zoho-tokenstore")
