"""Test doubles for applications: a local Zoho, and a token store in a list."""

from zoho_tokenstore.testing.calls import Call
from zoho_tokenstore.testing.limits import ZOHO_LIMITS, Limits
from zoho_tokenstore.testing.list_store import ListTokenStore
from zoho_tokenstore.testing.local_zoho import LocalZoho, Request

__all__ = ["ZOHO_LIMITS", "Call", "Limits", "ListTokenStore", "LocalZoho", "Request"]
