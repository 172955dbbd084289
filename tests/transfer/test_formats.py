"""Files that are not a FileStore's are named for what they are; ours can be read back."""

import json
import pickle
from types import SimpleNamespace

import pytest

from sources import C, header, line, token
from support import login, make_token, stored
from zoho_tokenstore import SQLAlchemyTokenStore

TEXT = f"{header('C')}\r\n{line('C', token('alice'))}\r\n"
FOREIGN = {
    "semicolons": (TEXT.replace(",", ";").encode(), "separates its columns by semicolons"),
    "tabs": (TEXT.replace(",", "\t").encode(), "separates its columns by tabs"),
    "bars": (TEXT.replace(",", "|").encode(), "separates its columns by vertical bars"),
    "UTF-16": (TEXT.encode("utf-16"), "is UTF-16: save it as UTF-8"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-be"), "is UTF-16"),
    "JSON": (json.dumps([token("alice")]).encode(), "is JSON: run zoho-tokenstore import json"),
    "PHP": (b'a:1:{i:0;O:8:"stdClass":1:{s:4:"user";s:1:"a";}}', "is serialized PHP"),
    "PHP's source": (b"<?php return ['user' => 'a'];", "is serialized PHP"),
    "a pickle": (pickle.dumps([token("alice")]), "is a Python pickle"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00", "is a spreadsheet or ZIP archive"),
    "SQLite": (
        b"SQLite format 3\0",
        "is an SQLite database: run zoho-tokenstore import sqlite",
    ),
    "XML": (b"\n<tokens><token/></tokens>", "is XML or HTML"),
    "prose": (b"Dear Sir or Madam,\nhow do you do?\n", "has no header and no line with tokens"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_named_for_what_it_is(
    content, message, command, tmp_path, tokens
):
    path = tmp_path / "tokens.csv"
    path.write_bytes(content)
    status, out, err = command("import", "filestore", path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert f"{path} {message}" in err
    assert (",".join(C) in err) == ("run zoho-tokenstore import" not in err)
    assert "1000." not in err
    assert tokens() == []


STRANGE = (
    "two\nlines",
    "three\r\n\r\nlines",
    '"quoted"\n',
    'a ""b,\n"',
    "commas, in, it,\nand, here, and, here, and, here",
    "x" * 300_000,
    "tab\tand ;",
    " None ",
    "zoë\u2028山田",
)


@pytest.fixture
def filled(sqlite_url, command):
    """A store whose names have line breaks, and what it holds."""
    tokens = [login(name, refresh_token=f"1000.{n}") for n, name in enumerate(STRANGE)]
    tokens += [
        make_token("grant@example.com", client_id="1000.C", grant_token="1000.grant"),
        login(refresh_token="1000.nameless", access_token="y" * 200_000, expiry="0"),
    ]
    assert command("check").status == 0
    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_tokens(tokens)
        return SimpleNamespace(url=sqlite_url, rows=stored(store))


def without_ids(rows):
    return sorted(({n: v for n, v in row.items() if n != "id"} for row in rows), key=repr)


@pytest.mark.parametrize("kind", ["filestore", "json"])
def test_what_is_exported_is_read_back(kind, filled, command, run_command, tmp_path):
    path = tmp_path / "exported"
    assert command("export", kind, path).status == 0
    done = command("import", kind, path, "--json")
    assert {n: v for n, v in json.loads(done.out).items() if v} == {"unchanged": len(filled.rows)}
    assert (done.status, done.err) == (0, "")
    url = f"sqlite:///{tmp_path}/other.db"
    assert run_command(url, "import", kind, path).status == 0
    with SQLAlchemyTokenStore(url) as store:
        assert without_ids(stored(store)) == without_ids(filled.rows)


def test_a_quote_that_is_never_closed_costs_one_line(import_lines, tokens):
    rows = [token(f"user {n}", n) for n in range(1, 5)]
    lines = [line("C", row) for row in rows]
    lines.insert(1, lines[0].replace(",user 1,", ',"eve,'))
    lines.insert(3, lines[0].replace(",user 1,", ',frank",'))
    lines.insert(4, line("C", token("x", 9)).replace(",x,", ',"two\nlines",'))
    status, counts, messages = import_lines(*lines)
    assert (status, counts["created"]) == (1, 6)
    assert [each.partition(": ")[2].partition(":")[0] for each in messages] == ["line 2"]
    names = [row["user_name"] for row in tokens()]
    assert sorted(names) == ['frank"', "two\nlines", *(row["user_name"] for row in rows)]


def test_the_line_of_a_row_is_the_first_of_its_lines(import_lines):
    row = line("C", token("x")).replace(",x,", ',"two\nlines",')
    *_, messages = import_lines(header("C"), row, "garbage", row, "garbage")
    assert [each.split(": ")[1] for each in messages] == ["line 4", "line 7"]
