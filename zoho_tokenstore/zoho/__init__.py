"""Zoho's side: data centers and requests to the accounts server."""
