"""For tests of applications, and of this package: a local Zoho and a store in plain lists."""

from zoho_tokenstore.testing.list_store import ListTokenStore
from zoho_tokenstore.testing.local_zoho import LocalZoho, Request

__all__ = ["ListTokenStore", "LocalZoho", "Request"]
