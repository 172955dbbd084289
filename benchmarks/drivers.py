"""Bare connections in autocommit, as every driver makes them."""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pymysql
from sqlalchemy import make_url

__all__ = ["Connect", "connect_of"]

Connect = Callable[[], Any]


def connect_of(text: str) -> tuple[Connect, str]:
    """Return what connects to the database of a URL, and what its statements have for a value."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return partial(sqlite3.connect, url.database or "", isolation_level=None), "?"
    where: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username}
    if url.get_backend_name() == "postgresql":
        return partial(psycopg.connect, **where, dbname=url.database, autocommit=True), "%s"
    options = {"database": url.database, "charset": "utf8mb4", "autocommit": True}
    return partial(pymysql.connect, **where, **options), "%s"
