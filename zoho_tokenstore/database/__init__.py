"""Connections, transactions, retries, one module of differences per database; knows no table."""
