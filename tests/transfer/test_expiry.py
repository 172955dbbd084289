"""Expiries as files and tables spell them: converted where understood, and never a lost login."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
)

from sources import EXPIRY, line, sqlite_file, token
from tables import DAY, move
from zoho_tokenstore.transfer.expiry import parse_expiry

SECOND = EXPIRY // 1000
MOMENT = datetime.fromtimestamp(SECOND, UTC)
EAST = timezone(timedelta(hours=5, minutes=30))

SPELLINGS = {
    "milliseconds": (str(EXPIRY), EXPIRY, ""),
    "seconds": (str(SECOND), EXPIRY, "in seconds"),
    "seconds with decimals": (f"{SECOND}.25", EXPIRY + 250, "in seconds"),
    "a spreadsheet's": ("1.79561E+12", 1795610000000, "exponent"),
    "milliseconds with decimals": (f"{EXPIRY}.0", EXPIRY, "decimals"),
    "ISO in UTC": ("2026-01-01T00:00:00Z", EXPIRY, "date and time converted"),
    "ISO elsewhere": ("2026-01-01 05:30:00+05:30", EXPIRY, "date and time converted"),
    "ISO without a zone": (" 2026-01-01 00:00:00.000 ", EXPIRY, "without a time zone"),
}


@pytest.mark.parametrize(("text", "expiry", "notice"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_spelling_that_is_understood_is_converted_and_named(
    text, expiry, notice, import_lines, tokens
):
    done = import_lines(line("C", token("alice", expiry=text)))
    assert done[:2] == (0, {"created": 1})
    assert [each for each in done[2] if "expiry" in each] == done[2]
    assert ("1 row: " in "".join(done[2]), notice in "".join(done[2])) == (bool(notice), True)
    assert [row["expiry"] for row in tokens()] == [expiry]


@pytest.mark.parametrize(
    "value",
    [
        *(SECOND, float(SECOND), Decimal(SECOND), MOMENT, MOMENT.replace(tzinfo=None)),
        *(MOMENT.astimezone(EAST), EXPIRY, float(EXPIRY), Decimal(EXPIRY)),
    ],
    ids=repr,
)
def test_values_of_drivers_are_moments(value):
    assert parse_expiry(value)[0] == EXPIRY


NOT_UNDERSTOOD = ["soon", "-1", "3600", "9" * 19, "nan", "1e999999999", "1/1/2026", "17672256000"]


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_a_login_that_can_be_refreshed_is_imported_as_expired(text, import_lines, tokens):
    rows = [token("alice", expiry=text), token("bob", 2, expiry=text, access_token="")]
    status, counts, messages = import_lines(*(line("C", row) for row in rows))
    assert (status, counts) == (0, {"created": 2})
    assert ["1 row: expiry not understood: imported as expired" in each for each in messages] == [
        True
    ]
    assert [row.get("expiry") for row in tokens()] == [0, None]


def test_an_access_token_alone_with_an_unknown_expiry_is_left_out(import_lines, tokens):
    alone = token("alice", expiry="soon", refresh_token="")
    status, counts, (message,) = import_lines(line("C", alone), line("C", token("bob", 2)))
    assert (status, counts) == (1, {"created": 1, "left_out": 1})
    assert "the expiry is not understood" in message
    assert [row["user_name"] for row in tokens()] == ["bob"]


@pytest.mark.parametrize("value", ["1000.a-token", "https://www.zohoapis.com"])
def test_a_line_with_its_values_in_wrong_columns_is_left_out(value, import_lines, tokens):
    status, counts, (message,) = import_lines(line("C", token("alice", expiry=value)))
    assert (status, counts) == (1, {"left_out": 1})
    assert "wrong columns" in message
    assert value not in message
    assert tokens() == []


@pytest.mark.parametrize("absent", ["None", "null", "NULL"])
def test_texts_of_absent_values_are_absent(absent, import_lines, tokens):
    names = ("client_secret", "grant_token", "redirect_url", "api_domain", "access_token", "expiry")
    done = import_lines(line("C", token("alice") | dict.fromkeys(names, absent)))
    assert done == (0, {"created": 1}, [])
    assert tokens() == [{n: v for n, v in token("alice").items() if n not in names}]


@pytest.mark.parametrize("kind", ["INTEGER", "REAL", "TEXT"])
def test_seconds_in_a_table_of_ones_own_are_no_milliseconds(kind, command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    sqlite_file(path, rows=[token("alice")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE oauthtoken SET expiry_time = CAST({SECOND} AS {kind})")
        connection.commit()
    assert command("import", "sqlite", path)[0] == 0
    assert [row["expiry"] for row in tokens()] == [EXPIRY]


def test_a_purge_keeps_what_was_imported_with_an_unknown_expiry(
    command, import_lines, tokens, sqlite_url
):
    lines = [line("C", token("alice", expiry="soon")), line("C", token("bob", 2, expiry=""))]
    assert import_lines(*lines)[1] == {"created": 2}

    def purge():
        out = command("purge", "--expired-for", "30d", "--yes", "--json").out
        return json.loads(out)["tokens"]

    assert purge() == 0
    move(sqlite_url, 31 * DAY, "updated_at", user="alice")
    assert purge() == 1
    assert [row["user_name"] for row in tokens()] == ["bob"]


TYPES = {
    "seconds": (BigInteger(), SECOND),
    "fractions of seconds": (Numeric(20, 3), Decimal(SECOND)),
    "floating seconds": (Double(), float(SECOND)),
    "milliseconds": (Numeric(20, 0), Decimal(EXPIRY)),
    "a time without a zone": (DateTime(), MOMENT.replace(tzinfo=None)),
    "a time with a zone": (DateTime(timezone=True), MOMENT),
    "text": (String(40), MOMENT.isoformat()),
}


@pytest.mark.parametrize(("kind", "value"), TYPES.values(), ids=TYPES)
def test_every_type_of_column_is_read_on_every_database(kind, value, url, command, tokens):
    metadata = MetaData()
    names = ("user_email", "client_id", "refresh_token", "access_token")
    columns = [Column(name, String(40)) for name in names]
    theirs = Table("theirs", metadata, *columns, Column("expires_at", kind))
    engine = create_engine(url)
    metadata.create_all(engine)
    with engine.begin() as connection:
        row = {name: f"1000.{name}" for name in names} | {"expires_at": value}
        connection.execute(insert(theirs), row)
    engine.dispose()
    assert command("import", "dbstore", url, "--table", "theirs").status == 0
    assert [row["expiry"] for row in tokens()] == [EXPIRY]
