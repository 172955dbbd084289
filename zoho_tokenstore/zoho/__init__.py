"""Requests to Zoho's accounts servers, and the data centers that they belong to."""
