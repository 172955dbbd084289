"""The Zoho SDKs: what each asks of a token store. Only here is a Zoho package imported."""

from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.installed import SDKName, any_installed, load
from zoho_tokenstore.sdk.token_store import SDKTokenStore

__all__ = ["SDKBinding", "SDKName", "SDKTokenStore", "any_installed", "load"]
