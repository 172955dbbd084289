"""Tokens in the layouts of the SDKs' own stores, and what is left of them after an import."""

import json
import sqlite3
from contextlib import closing

import pytest

from support import LOGIN

C = (
    *("id", "user_name", "client_id", "client_secret", "refresh_token", "access_token"),
    *("grant_token", "expiry_time", "redirect_uri", "api_domain"),
)
COLUMNS = {
    "A": ("user_mail", "client_id", "refresh_token", "access_token", "grant_token", "expiry_time"),
    "B": tuple(name.replace("user_name", "user_mail") for name in C[:-1]),
    "C": C,
    "C, 9 columns": C[:-1],
}
FIELDS = {"user_mail": "user_name", "expiry_time": "expiry", "redirect_uri": "redirect_url"}
LAYOUTS = pytest.mark.parametrize("layout", COLUMNS)
EARLIER, EXPIRY, LATER = 1767225500000, int(LOGIN["expiry"]), 1767225700000


def token(user, number=1, **changes):
    """Return what a file holds of a user, by field."""
    name = user or f"nameless.{number}"
    own = {field: f"1000.{field[:7]}.{name}" for field in ("refresh_token", "access_token")}
    fields = {"id": str(number), "user_name": user} | LOGIN | own | {"expiry": EXPIRY} | changes
    return {field: value for field, value in fields.items() if value is not None}


def line(layout, fields):
    """Return a token's line, without its end."""
    return ",".join(str(fields.get(FIELDS.get(name, name), "")) for name in COLUMNS[layout])


def header(layout):
    return ",".join(COLUMNS[layout])


def kept(layout, *tokens):
    """Return what can come over of tokens in a file of this layout; contract A has no ids."""
    names = {FIELDS.get(name, name) for name in COLUMNS[layout]}
    return sorted(({n: v for n, v in row.items() if n in names} for row in tokens), key=repr)


def without_ids(*rows):
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def kept_without_ids(layout, *rows):
    return kept(layout, *without_ids(*rows))


def in_order(row):
    """Return the fields in the order in which the files here name them."""
    return {name: row[name] for name in token("x") if name in row} | row


def audited(command):
    return [json.loads(entry) for entry in command("audit", "--json")[1].splitlines()]


def dump(sqlite_url):
    """Return all that is in a database."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        return list(connection.iterdump())


def sqlite_file(path, name="oauthtoken", layout="C", rows=(), journal="delete"):
    """Make an SQLite file with a table like the SDK's, as another application's."""
    columns = [each.replace("redirect_uri", "redirect_url") for each in COLUMNS[layout]]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)}, note TEXT)')
        marks = ", ".join("?" * (len(columns) + 1))
        for row in rows:
            values = [row.get(FIELDS.get(c.replace("url", "uri"), c)) for c in columns]
            connection.execute(f'INSERT INTO "{name}" VALUES ({marks})', [*values, "of no account"])
        connection.commit()


def count(sqlite_url, table):
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=30)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


STORED = token("alice", 1, access_token="1000.stored")
