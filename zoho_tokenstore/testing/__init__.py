"""Test doubles for applications: a local Zoho, and a token store in a list."""

from zoho_tokenstore.testing.list_store import ListTokenStore
from zoho_tokenstore.testing.local_zoho import LocalZoho, Request

__all__ = ["ListTokenStore", "LocalZoho", "Request"]
