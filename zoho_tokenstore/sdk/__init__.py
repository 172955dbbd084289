"""The Zoho SDKs: what each asks of a token store. Only here is a Zoho package imported."""

from zoho_tokenstore.sdk.binding import SDKBinding, load
from zoho_tokenstore.sdk.contract import SDKTokenStore

__all__ = ["SDKBinding", "SDKTokenStore", "load"]
