"""JSON files: lists and lines of objects, and what other stores and secrets managers print."""

import json

import pytest

from sources import EXPIRY, in_order, token
from zoho_tokenstore.transfer.jsonfile import JSONSource

ROWS = [token("alice", 1), token("bob", 2) | {"redirect_url": None}]
EXPECTED = [{n: v for n, v in row.items() if v is not None} for row in ROWS]


@pytest.fixture
def import_json(command, tmp_path):
    """Import a text; return the status, the counts that are not 0, and the messages."""

    def import_json(text, *options, encoding="utf-8"):
        path = tmp_path / "tokens.json"
        path.write_text(text, encoding)
        status, out, err = command("import", "json", path, "--json", *options)
        return status, {n: v for n, v in json.loads(out or "{}").items() if v}, err.splitlines()

    return import_json


def vault(rows):
    return {"request_id": "5", "data": {"data": {"zoho": rows[0], "b": rows[1]}, "metadata": {}}}


FORMS = {
    "a list": json.dumps(ROWS),
    "a list in lines": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
    "an indented list": json.dumps(ROWS, indent=2),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "indented objects": "\n".join(json.dumps(row, indent=4) for row in ROWS),
    "by key, as Redis": json.dumps({row["user_name"]: row for row in ROWS}),
    "texts by key, as Redis": json.dumps({row["user_name"]: json.dumps(row) for row in ROWS}),
    "AWS": json.dumps({"ARN": "arn:aws:…", "SecretString": json.dumps(ROWS)}, indent=1),
    "Vault": json.dumps(vault(ROWS)),
    "a byte order mark": "\ufeff" + json.dumps(ROWS),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_objects_are_found_in_lists_lines_and_objects(text, import_json, tokens):
    assert import_json(text) == (0, {"created": 2}, [])
    assert tokens() == sorted(map(in_order, EXPECTED), key=repr)


def test_mongodbs_values_are_plain(import_json, tokens):
    number = {"$numberLong": str(EXPIRY)}
    made = {"_id": {"$oid": "65a1"}, "email": "a@example.com", "clientId": "1000.C"}
    made |= {"clientSecret": "s", "accessToken": "1000.a", "__v": 0}
    rows = [
        made | {"refreshToken": "1000.r", "expiresAt": {"$date": "2026-01-01T00:00:00Z"}},
        made | {"_id": {"$oid": "65a2"}, "email": "b", "refreshToken": "1000.s"},
        made | {"_id": {"$oid": "65a3"}, "email": "c", "refreshToken": "1000.t"},
    ]
    rows[1]["expiresAt"], rows[2]["expiresAt"] = {"$date": number}, number
    status, counts, messages = import_json("\n".join(map(json.dumps, rows)))
    assert (status, counts) == (0, {"created": 3})
    assert messages == [
        "not read: column __v",
        "1 row: expiry as a date and time converted to milliseconds",
    ]
    assert [(row["id"], row["user_name"], row["expiry"]) for row in tokens()] == [
        ("65a1", "a@example.com", EXPIRY),
        ("65a2", "b", EXPIRY),
        ("65a3", "c", EXPIRY),
    ]


def test_other_names_of_fields_are_read_when_they_are_named(import_json, tokens):
    row = {"owner": "a", "app": "1000.C", "rt": "1000.r"}
    named = ("user_name=owner", "client_id=app", "refresh_token=rt")
    options = [part for each in named for part in ("--columns", each)]
    assert import_json(json.dumps(row), *options) == (0, {"created": 1}, [])
    assert tokens("id") == [{"user_name": "a", "client_id": "1000.C", "refresh_token": "1000.r"}]


def test_what_cannot_be_read_is_named_and_the_rest_comes_over(import_json, tokens):
    first, last = map(json.dumps, ROWS)
    wrong = json.dumps(token("eve", access_token=["1000.secret"]))
    lines = [first, first[:-30], '{"user_name": "x"}', "12", wrong, last]
    status, counts, messages = import_json("\n".join(lines))
    assert (status, counts) == (1, {"created": 2, "left_out": 4})
    assert [each.split(": ")[1] for each in messages] == [
        *("line 2", "line 3", "line 4"),
        "object 2 (line 5)",
    ]
    assert "1000." not in "".join(messages)
    assert tokens() == sorted(map(in_order, EXPECTED), key=repr)


@pytest.mark.parametrize("text", ["", "[]\n", "\n"])
def test_a_file_without_objects_is_no_error(text, import_json):
    assert import_json(text) == (0, {}, [])


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("[{}]", "utf-16", "is UTF-16: save it as UTF-8"),
        ("id,user_name", "utf-8", "is not JSON"),
        ("[" * 100_000, "utf-8", ""),
        ('{"a":' * 100_000, "utf-8", "too deep"),
    ],
    ids=["UTF-16", "CSV", "lists", "deep"],
)
def test_what_is_no_json_is_named(text, encoding, message, import_json):
    status, counts, messages = import_json(text, encoding=encoding)
    assert (status, "created" in counts) == (1 if message else 0, False)
    assert message in "".join(messages)


def test_objects_longer_than_what_is_read_at_once_are_whole(tmp_path):
    path = tmp_path / "long.json"
    rows = [token(f"user {n}", n, api_domain="x" * 70_000 * n) for n in range(4)]
    path.write_text(json.dumps(rows))
    found = [row.token for row in JSONSource(path)]
    assert [each.user_name for each in found] == [row["user_name"] for row in rows]


def test_a_file_that_is_missing_is_one_line(command, tmp_path):
    status, out, err = command("import", "json", tmp_path / "missing.json")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "missing.json is not readable" in err
