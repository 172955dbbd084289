"""Files as crowds of processes leave them: what is whole comes over, the rest is named."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from support import LOGIN, assert_nothing_is_readable, known, login, stored, wait_until
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.cli import main
from zoho_tokenstore.tokens.record import SECRET_FIELDS
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE

KEY = Keyring.generate_key()

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


@pytest.fixture(scope="module")
def empty_table(tmp_path_factory):
    """A database that is ready, to be copied."""
    path = tmp_path_factory.mktemp("ready") / "tokens.db"
    with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
        assert store.get_tokens() == []
    return path


@pytest.fixture
def command(monkeypatch, capsys, sqlite_url, empty_table):
    """Run the command line on a database that is ready; return its status and what it wrote."""

    def command(*arguments, keys=""):
        monkeypatch.setattr("sys.argv", ["zoho-tokenstore", *map(str, arguments)])
        monkeypatch.setenv("ZOHO_TOKENSTORE_URL", sqlite_url)
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", keys)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return ended.value.code or 0, captured.out, captured.err

    shutil.copy(empty_table, sqlite_url.removeprefix("sqlite:///"))
    return command


@pytest.fixture
def import_lines(command, tmp_path):
    """Import lines; return the status, the counts that are not 0, and each message."""

    def import_lines(*lines, options=(), keys="", end="\r\n"):
        path = tmp_path / "tokens.csv"
        raw = (each if isinstance(each, bytes) else each.encode() for each in lines)
        content = b"".join(each + end.encode() for each in raw)
        path.write_bytes(content)
        arguments = ("import", "filestore", path, "--json", *options)
        status, out, err = command(*arguments, keys=keys)
        assert path.read_bytes() == content
        counts = {name: n for name, n in json.loads(out or "{}").items() if n}
        return status, counts, err.splitlines()

    return import_lines


@pytest.fixture
def tokens(sqlite_url):
    """Return what is stored, by field."""

    def tokens(*without, keys=None):
        keyring = Keyring.from_text(keys) if keys else None
        with SQLAlchemyTokenStore(sqlite_url, keyring=keyring) as store:
            rows = [{n: v for n, v in row.items() if n not in without} for row in stored(store)]
        return sorted((in_order(row) for row in rows), key=repr)

    return tokens


def in_order(row):
    """Return the fields in the order in which the files here name them."""
    return {name: row[name] for name in token("x") if name in row} | row


def audited(command):
    return [json.loads(entry) for entry in command("audit", "--json")[1].splitlines()]


@LAYOUTS
@pytest.mark.parametrize("lost", [False, True], ids=["header", "header lost"])
def test_every_layout_is_read_with_and_without_its_header(layout, lost, import_lines, tokens):
    rows = [token("alice", 1), token("bob", 2, expiry=None, access_token=None)]
    lines = [] if lost else [header(layout)]
    done = import_lines(*lines, *(line(layout, row) for row in rows))
    assert done == (0, {"created": 2}, [])
    without = ["id"] if layout == "A" else []
    assert tokens(*without) == kept(layout, *rows)


@pytest.mark.parametrize("layout", ["A", "C"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n", "\r\r\n"], ids=repr)
def test_a_byte_order_mark_and_any_ends_of_lines_are_no_damage(layout, ends, import_lines, tokens):
    mark = b"\xef\xbb\xbf"
    rows = [token("zoë", 1), token("bob", 2)]
    begin = mark + header(layout).encode()
    done = import_lines(begin, *(line(layout, row) for row in rows), end=ends)
    assert done == (0, {"created": 2}, [])
    lost = mark + line(layout, rows[0]).encode()
    done = import_lines(lost, line(layout, rows[1]), end=ends)
    assert done == (0, {"unchanged": 2}, [])
    assert {row["user_name"] for row in tokens()} == {"bob", "zoë"}


@LAYOUTS
@pytest.mark.parametrize("order", [1, -1], ids=["older first", "newer first"])
def test_of_a_doubled_row_the_one_that_expires_later_wins(layout, order, import_lines, tokens):
    older = token("alice", 1, access_token="1000.older", expiry=EARLIER)
    newer = token("alice", 7, access_token="1000.newer", expiry=LATER)
    doubled = [line(layout, older), line(layout, token("bob", 2)), line(layout, newer)][::order]
    status, counts, messages = import_lines(header(layout), *doubled)
    assert (status, messages) == (0, [])
    assert counts == {"created": 2} | ({"updated": 1} if order == 1 else {"skipped": 1})
    assert tokens("id") == kept_without_ids(layout, newer, token("bob"))
    status, counts, messages = import_lines(header(layout), *doubled)
    assert (status, counts, messages) == (0, {"unchanged": 2, "skipped": 1}, [])
    assert tokens("id") == kept_without_ids(layout, newer, token("bob"))


@LAYOUTS
def test_the_same_line_twice_is_one_token(layout, import_lines, tokens):
    same = line(layout, token("alice"))
    status, counts, err = import_lines(header(layout), same, same, same)
    assert (status, counts, err) == (0, {"created": 1, "unchanged": 2}, [])
    assert len(tokens()) == 1


@pytest.mark.parametrize("second", COLUMNS)
@LAYOUTS
def test_a_header_in_the_middle_is_no_token_and_tells_what_follows(
    layout, second, import_lines, tokens
):
    alice, bob = token("alice", 1), token("bob", 2)
    lines = [header(layout), line(layout, alice), header(second), line(second, bob)]
    assert import_lines(*lines) == (0, {"created": 2}, [])
    expected = kept_without_ids(layout, alice) + kept_without_ids(second, bob)
    assert tokens("id") == expected


def can_be_of(found, whole):
    """Tell whether a token can have come from this user's line when it was cut.

    An expiry and what follows it may have lost their end, a user's name its beginning; everything
    else is what it was, in its own place.
    """
    for name, value in found.items():
        here = str(whole.get(name, ""))
        if name == "user_name":
            fits = here.endswith(value)
        elif name == "expiry":
            fits = value == 0 or here.startswith(str(value))
        elif name in ("redirect_url", "api_domain"):
            fits = here.startswith(value)
        else:
            fits = here == value
        if not fits:
            return False
    return True


@LAYOUTS
@pytest.mark.parametrize("lost", [False, True], ids=["header", "header lost"])
@pytest.mark.parametrize("side", ["beginning", "end"])
def test_a_line_cut_anywhere_gives_no_token_with_values_in_wrong_places(
    layout, lost, side, import_lines, tokens
):
    """Between two that were cut is one that was not; all of these come over.

    As most lines of real files, they have neither a grant token nor a redirect URL.
    """
    lines, whole, cut = ([] if lost else [header(layout)]), [], []
    for number in range(1, len(line(layout, token("user 500", 500, redirect_url=None)))):
        other = token(f"other {number + 100}", number + 100, redirect_url=None)
        user = token(f"user {number + 500}", number + 500, redirect_url=None)
        text = line(layout, user)
        lines += [line(layout, other), text[number:] if side == "beginning" else text[:number]]
        whole += kept_without_ids(layout, other)
        cut.append(user)
    _, counts, messages = import_lines(*lines)
    found = tokens("id")
    assert [row for row in whole if row not in found] == []
    assert counts["left_out"] == len(messages)
    rest = [row for row in found if row not in whole]
    assert [row for row in rest if not any(can_be_of(row, user) for user in cut)] == []


LINE = line("C", token("eve", 3)).encode()
UNUSABLE = {
    "too few columns": (b"3,eve,1000.CLIENT", "expected 10 columns, found 3"),
    "too many columns": (LINE + b",more", "expected 10 columns, found 11"),
    "garbage expiry": (LINE.replace(b"1767225600000", b"tomorrow"), "expiry"),
    "negative expiry": (LINE.replace(b"1767225600000", b"-1"), "expiry"),
    "expiry out of range": (LINE.replace(b"1767225600000", b"9" * 19), "expiry"),
    "NUL bytes": (LINE.replace(b"eve,", b"e\x00\x00e,", 1), "user_name contains U+0000"),
    "nothing but NUL bytes": (b"\x00" * 50, "expected 10 columns, found 1"),
    "invalid UTF-8": (LINE.replace(b"eve,", b"\xff\xfe,", 1), "user_name is not valid Unicode"),
    "a secret of invalid UTF-8": (LINE.replace(b"1000.refresh", b"1000.\xe9"), "refresh_token"),
    "an unclosed quote": (LINE.replace(b"eve,", b'"eve,', 1), "columns"),
    "a value without end": (LINE.replace(b"eve,", b"e" * 200_000 + b",", 1), "invalid CSV"),
    "no token at all": (b"3,eve,1000.CLIENT,secret,,,,,,", "the token is empty"),
    "an encrypted secret": (LINE.replace(b"1000.access", b"zts1:key:AAAA"), "access_token"),
}


@pytest.mark.parametrize(("damaged", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_row_that_cannot_be_used_is_named_and_the_others_come_over(
    damaged, reason, import_lines, tokens
):
    rows = [token("alice", 1), token("bob", 2)]
    first, last = (line("C", row) for row in rows)
    status, counts, messages = import_lines(header("C"), first, damaged, "", last)
    assert (status, counts) == (1, {"created": 2, "left_out": 1})
    (message,) = messages
    assert message.startswith("left out: line 3: ")
    assert reason in message
    assert len(message) < 300
    for secret in ("1000.refresh", "1000.access", "a-client-secret"):
        assert secret not in message
    assert tokens() == kept("C", *rows)


def test_every_row_that_is_left_out_is_named(import_lines, tokens):
    lines = [line("C", token(f"user {number}", number)) for number in range(1, 2 * BATCH_SIZE)]
    bad = (5, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, len(lines) - 1)
    for number in bad:
        lines[number] = lines[number].replace(str(EXPIRY), "soon")
    status, counts, messages = import_lines(*lines)
    assert (status, counts) == (1, {"created": len(lines) - len(bad), "left_out": len(bad)})
    assert [message.split(": ")[1] for message in messages] == [f"line {n + 1}" for n in bad]
    assert len(tokens()) == len(lines) - len(bad)


@pytest.mark.parametrize("absent", ["", "None"], ids=["empty", "None"])
def test_an_access_token_without_an_expiry_has_expired_if_it_can_be_refreshed(
    absent, import_lines, tokens
):
    rows = [
        token("alice", 1, expiry=absent),
        token("bob", 2, expiry=absent, refresh_token="", grant_token=""),
        token("carol", 3, expiry=absent, access_token=""),
    ]
    assert import_lines(*(line("C", row) for row in rows)) == (0, {"created": 3}, [])
    found = {row["user_name"]: row.get("expiry") for row in tokens()}
    assert found == {"alice": 0, "bob": None, "carol": None}


@pytest.mark.parametrize("content", [b"", b"\n\r\n", header("C").encode()], ids=repr)
def test_a_file_without_tokens_is_no_error(content, command, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_bytes(content)
    status, out, err = command("import", "filestore", path)
    assert (status, err) == (0, "")
    assert out == "created: 0, updated: 0, unchanged: 0, skipped: 0, left out: 0\n"


@pytest.mark.parametrize("name", ["missing.csv", "."], ids=["missing", "a folder"])
@pytest.mark.parametrize("kind", ["filestore", "sqlite"])
def test_a_file_that_cannot_be_read_is_one_line_and_status_1(kind, name, command, tmp_path):
    status, out, err = command("import", kind, tmp_path / name)
    assert (status, out) == (1, "")
    assert str(tmp_path / name) in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "missing.csv").exists()


def test_a_table_that_is_missing_is_named_with_what_makes_it(command, tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text(line("C", token("alice")))
    status, out, err = command("import", "filestore", path, "--table", "others")
    assert (status, out) == (1, "")
    assert "zoho-tokenstore upgrade --table others" in err


STORED = token("alice", 1, access_token="1000.stored")
CONFLICTS = {
    ("newer", LATER): ("updated", "1000.file"),
    ("newer", EARLIER): ("skipped", "1000.stored"),
    ("newer", EXPIRY): ("skipped", "1000.stored"),
    ("skip", LATER): ("skipped", "1000.stored"),
    ("replace", EARLIER): ("updated", "1000.file"),
    ("replace", LATER): ("updated", "1000.file"),
}


@pytest.mark.parametrize(("option", "expiry"), CONFLICTS)
def test_what_is_told_decides_which_one_wins(option, expiry, import_lines, tokens):
    outcome, access_token = CONFLICTS[option, expiry]
    assert import_lines(line("C", STORED))[0] == 0
    file = token("alice", 9, access_token="1000.file", expiry=expiry)
    others = [line("C", token("bob", 2)), line("C", token("carol", 3))]
    options = () if option == "newer" else ("--on-conflict", option)
    status, counts, err = import_lines(*others, line("C", file), options=options)
    assert (status, counts, err) == (0, {"created": 2, outcome: 1}, [])
    (alice,) = [row for row in tokens() if row["user_name"] == "alice"]
    assert (alice["id"], alice["access_token"]) == ("1", access_token)
    assert alice["expiry"] == (expiry if outcome == "updated" else EXPIRY)
    assert len(tokens()) == 3


@pytest.mark.parametrize("option", ["newer", "skip", "replace", "fail"])
def test_what_is_stored_already_and_is_the_same_is_no_conflict(option, import_lines, tokens):
    rows = [line("C", token("alice", 1)), line("C", token("bob", 2))]
    assert import_lines(*rows) == (0, {"created": 2}, [])
    options = ("--on-conflict", option)
    assert import_lines(*rows, options=options) == (0, {"unchanged": 2}, [])
    assert len(tokens()) == 2


def test_an_older_row_only_adds_what_was_not_known(import_lines, tokens):
    poor = token("alice", 1, api_domain=None, redirect_url=None)
    rich = token("alice", 1, expiry=EARLIER, access_token="1000.older", redirect_url="https://new")
    assert import_lines(line("C", poor))[0] == 0
    assert import_lines(line("C", rich)) == (0, {"updated": 1}, [])
    expected = poor | {"redirect_url": "https://new", "api_domain": LOGIN["api_domain"]}
    assert tokens() == [in_order(expected)]
    assert import_lines(line("C", rich)) == (0, {"skipped": 1}, [])


def test_a_conflict_that_shall_fail_imports_nothing_at_all(command, import_lines, tokens):
    assert import_lines(line("C", STORED))[0] == 0
    before, entries = tokens(), audited(command)
    lines = [line("C", token(f"user {n}", n)) for n in range(10, BATCH_SIZE + 20)]
    conflict = line("C", token("alice", 9, access_token="1000.file", expiry=LATER))
    status, counts, messages = import_lines(*lines, conflict, options=("--on-conflict", "fail"))
    assert (status, counts) == (1, {})
    (message,) = messages
    assert f"line {len(lines) + 1}: a token of user 'alice' already exists with id '1'" in message
    assert "--on-conflict" in message
    assert "1000." not in message
    assert tokens() == before
    assert audited(command) == entries


@pytest.mark.parametrize("apart", [1, BATCH_SIZE + 10])
def test_rows_of_one_user_that_conflict_fail_too_and_nothing_is_imported(
    apart, command, import_lines, tokens
):
    lines = [line("C", token(f"user {n}", n)) for n in range(10, 10 + apart)]
    first, second = (
        line("C", token("alice", n, access_token=f"1000.{n}", expiry=EXPIRY + n)) for n in (1, 2)
    )
    options = ("--on-conflict", "fail")
    status, counts, messages = import_lines(first, *lines, second, options=options)
    assert (status, counts, len(messages)) == (1, {}, 1)
    assert tokens() == []
    assert audited(command) == []


def test_a_row_that_cannot_be_used_is_no_conflict_and_named_once(import_lines, tokens):
    lines = [line("C", token("alice", 1)), "garbage", line("C", token("bob", 2))]
    status, counts, messages = import_lines(*lines, options=("--on-conflict", "fail"))
    assert (status, counts) == (1, {"created": 2, "left_out": 1})
    assert messages == ["left out: line 2: damaged line: expected 10 columns, found 1"]
    assert len(tokens()) == 2


@pytest.mark.parametrize("keys", ["", KEY], ids=["readable", "encrypted"])
def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(
    keys, command, import_lines, tokens, sqlite_url
):
    assert import_lines(line("C", STORED), keys=keys)[0] == 0
    before, entries, content = tokens(keys=keys), audited(command), dump(sqlite_url)
    lines = [
        header("C"),
        line("C", token("alice", 5, access_token="1000.file", expiry=LATER)),
        line("C", token("alice", 5, access_token="1000.older", expiry=EARLIER)),
        line("C", token("bob", 6)),
        line("C", token("bob", 6)),
        "garbage",
    ]
    dry = import_lines(*lines, keys=keys, options=("--dry-run",))
    expected = {"created": 1, "updated": 1, "unchanged": 1, "skipped": 1, "left_out": 1}
    assert dry[:2] == (1, expected)
    assert "line 6" in dry[2][0]
    assert (tokens(keys=keys), audited(command), dump(sqlite_url)) == (before, entries, content)
    assert import_lines(*lines, keys=keys) == dry


def dump(sqlite_url):
    """Return all that is in a database."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        return list(connection.iterdump())


def test_a_dry_run_with_keys_does_not_turn_encryption_on(import_lines, tokens, sqlite_url):
    before = dump(sqlite_url)
    dry = import_lines(line("C", token("alice")), keys=KEY, options=("--dry-run",))
    assert dry == (0, {"created": 1}, [])
    assert dump(sqlite_url) == before
    assert tokens() == []


def test_ids_of_two_sources_that_count_from_1_do_not_mix_tokens_up(import_lines, tokens):
    first = [token("alice", 1), token(None, 2, refresh_token="1000.r.2"), token("carol", 3)]
    second = [
        token("dave", 1),
        token(None, 2, refresh_token="1000.r.other", access_token="1000.a.other"),
        token("erin", 3),
        token(None, 1, refresh_token="1000.r.third", access_token="1000.a.third"),
    ]
    assert import_lines(*(line("C", row) for row in first)) == (0, {"created": 3}, [])
    for _ in range(2):
        assert import_lines(*(line("C", row) for row in second))[0] == 0
    assert tokens("id") == kept_without_ids("C", *first, *second)
    ids = {row["refresh_token"]: row["id"] for row in tokens()}
    assert len(set(ids.values())) == 7
    assert [ids[row["refresh_token"]] for row in first] == ["1", "2", "3"], "they stay as they are"


def test_ids_that_are_doubled_in_one_file_do_not_mix_tokens_up(import_lines, tokens):
    rows = [token(f"user {n}", 1) for n in range(5)]
    rows += [token(None, 1, refresh_token=f"r{n}", access_token=f"a{n}") for n in range(5)]
    assert import_lines(*(line("C", row) for row in rows)) == (0, {"created": 10}, [])
    assert tokens("id") == kept_without_ids("C", *rows)


def test_a_login_without_a_user_is_that_of_the_user_who_has_it(import_lines, tokens):
    named, nameless = token("alice", 1), token("alice", 2) | {"user_name": ""}
    for order in (1, -1):
        lines = [line("C", row) for row in (named, nameless)][::order]
        assert import_lines(*lines)[0] == 0
        assert [row["user_name"] for row in tokens()] == ["alice"]


WHOLE = token("alice@example.com", 1)
CUT = WHOLE | {"user_name": "ice@example.com"}


@pytest.mark.parametrize("order", [1, -1], ids=["whole first", "cut first"])
def test_a_name_that_looks_cut_is_refused(order, import_lines, tokens):
    status, _, messages = import_lines(*[line("C", WHOLE), line("C", CUT)][::order])
    assert tokens() == kept("C", WHOLE)
    assert status == 1
    assert "'ice@example.com' looks truncated" in messages[0]


def test_a_name_that_looks_cut_is_refused_after_its_user_is_stored(import_lines, tokens):
    assert import_lines(line("C", WHOLE))[0] == 0
    status, counts, messages = import_lines(line("C", CUT))
    assert (status, counts) == (1, {"left_out": 1})
    assert "line 1: user name 'ice@example.com' looks truncated" in messages[0]
    assert tokens() == kept("C", WHOLE)


def test_a_name_that_another_ends_with_is_no_damage(import_lines, tokens):
    rows = [token("alice@example.com", 1), token("ice@example.com", 2)]
    assert import_lines(*(line("C", row) for row in rows)) == (0, {"created": 2}, [])
    assert tokens() == kept("C", *rows)


def test_an_encrypted_target_holds_no_readable_secret(import_lines, tokens, sqlite_url):
    rows = [token("alice", 1), token("bob", 2), token(None, 3)]
    rows[0]["grant_token"] = "1000.an-unused-grant"
    assert import_lines(*(line("C", row) for row in rows), keys=KEY) == (0, {"created": 3}, [])
    newer = rows[1] | {"access_token": "1000.newer-access", "expiry": LATER}
    assert import_lines(line("C", newer), keys=KEY) == (0, {"updated": 1}, [])
    assert tokens(keys=KEY) == kept("C", rows[0], newer, rows[2])
    with SQLAlchemyTokenStore(sqlite_url, keyring=Keyring.from_text(KEY)) as store:
        assert {name for row in stored(store) for name in row} >= set(SECRET_FIELDS)
        assert_nothing_is_readable(sqlite_url, [store])


def test_an_encrypted_target_needs_its_keys(import_lines, tokens):
    assert import_lines(line("C", token("alice", 1)), keys=KEY)[0] == 0
    status, counts, messages = import_lines(line("C", token("bob", 2)))
    assert (status, counts, len(messages)) == (1, {}, 1)
    assert len(tokens(keys=KEY)) == 1


def test_what_is_imported_is_audited_as_that(command, import_lines):
    assert import_lines(line("C", token("alice", 1)), line("C", token(None, 2)))[0] == 0
    entries = audited(command)
    assert [entry["event"] for entry in entries] == ["imported"] * 2
    assert {(entry["token_id"], entry["user_name"]) for entry in entries} == {
        ("1", "alice"),
        ("2", None),
    }
    newer = token("alice", 1, access_token="1000.newer", expiry=LATER)
    assert import_lines(line("C", newer), line("C", token(None, 2)), "garbage")[0] == 1
    added = audited(command)[2:]
    assert [(entry["event"], entry["user_name"]) for entry in added] == [("imported", "alice")]
    assert not [entry for entry in audited(command) if "1000.newer" in json.dumps(entry)]


def sqlite_file(path, name="oauthtoken", layout="C", rows=(), journal="delete"):
    """Make an SQLite file with a table like the SDK's, as an application of somebody's."""
    columns = [each.replace("redirect_uri", "redirect_url") for each in COLUMNS[layout]]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)}, note TEXT)')
        marks = ", ".join("?" * (len(columns) + 1))
        for row in rows:
            values = [row.get(FIELDS.get(c.replace("url", "uri"), c)) for c in columns]
            connection.execute(f'INSERT INTO "{name}" VALUES ({marks})', [*values, "of no account"])
        connection.commit()


@LAYOUTS
def test_a_table_in_sqlite_is_found_by_its_columns(layout, command, tmp_path, tokens):
    rows = [token("alice", 1), token("bob", 2, expiry=None), token("carol", 3, expiry=str(LATER))]
    path = tmp_path / "theirs.db"
    sqlite_file(path, "their tokens", layout, rows)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER, client_id TEXT)")
    status, out, err = command("import", "sqlite", path)
    assert (status, err) == (0, "")
    assert out.startswith("created: 3, ")
    expected = kept_without_ids(layout, rows[0], rows[1] | {"expiry": 0}, token("carol", 3))
    expected[-1]["expiry"] = LATER
    assert tokens("id") == expected


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_an_sqlite_file_is_not_changed_by_reading_it(journal, command, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "theirs.db"
    sqlite_file(path, rows=[token("alice")], journal=journal)
    before = path.read_bytes()
    assert command("import", "sqlite", path)[0] == 0
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal,)
        assert connection.execute("SELECT count(*) FROM oauthtoken").fetchone() == (1,)


def test_an_sqlite_file_that_somebody_is_using_is_read_as_it_stands(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    sqlite_file(path, rows=[token("alice", 1)], journal="wal")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO oauthtoken SELECT * FROM oauthtoken")
        connection.execute("UPDATE oauthtoken SET user_name = 'bob', id = '2' WHERE rowid = 2")
        connection.execute("UPDATE oauthtoken SET refresh_token = 'r' WHERE rowid = 2")
        connection.commit()
        connection.execute("DELETE FROM oauthtoken")
        assert command("import", "sqlite", path)[0] == 0
    assert [row["user_name"] for row in tokens()] == ["alice", "bob"]


@pytest.mark.parametrize("name", ["100%25 mine%.db", "what?.db", "a#b.db", "it's {here}.db"])
def test_an_sqlite_file_may_have_any_name(name, command, tmp_path, tokens):
    sqlite_file(tmp_path / name, rows=[token("alice")])
    assert command("import", "sqlite", tmp_path / name)[0] == 0
    assert len(tokens()) == 1


def test_our_own_table_is_no_source(command, tmp_path):
    path = tmp_path / "ours.db"
    with SQLAlchemyTokenStore(f"sqlite:///{path}") as store:
        store.save_token(login("alice"))
    for options in ((), ("--table", "oauthtoken")):
        status, out, err = command("import", "sqlite", path, *options)
        assert (status, out) == (1, "")
        assert "table 'oauthtoken' is not a table of an SDK's store" in err
        assert len(err.splitlines()) == 1


def test_one_of_several_tables_has_to_be_named(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    sqlite_file(path, "one", rows=[token("alice", 1)])
    sqlite_file(path, "two", rows=[token("bob", 2)])
    status, _, err = command("import", "sqlite", path)
    assert (status, "--table" in err) == (1, True)
    assert command("import", "sqlite", path, "--table", "two")[0] == 0
    assert [row["user_name"] for row in tokens()] == ["bob"]


def test_rows_of_a_table_that_cannot_be_used_are_named(command, tmp_path, tokens):
    path = tmp_path / "theirs.db"
    rows = [
        token("alice", 1),
        token("bob", 2, expiry="soon"),
        token("carol", 3, access_token=b"blob"),
        token("dave", 4, expiry=EXPIRY + 0.5),
        token("erin", 5),
    ]
    sqlite_file(path, rows=rows)
    status, out, err = command("import", "sqlite", path, "--json")
    assert (status, json.loads(out)["left_out"]) == (1, 3)
    assert [each.split(": ")[1] for each in err.splitlines()] == ["row 2", "row 3", "row 4"]
    assert [row["user_name"] for row in tokens()] == ["alice", "erin"]


def test_what_is_no_sqlite_file_is_one_line_and_status_1(command, tmp_path):
    path = tmp_path / "tokens.csv"
    path.write_text(line("C", token("alice")) * 20)
    status, out, err = command("import", "sqlite", path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert path.read_text() == line("C", token("alice")) * 20


UNUSABLE_URLS = ["no url", "nonsense://u:a-password@host/db", "oracle://u:a-password@host/db"]


@pytest.mark.parametrize("url", [*UNUSABLE_URLS, "sqlite://"])
def test_a_database_that_cannot_be_used_is_one_line_and_shows_no_password(url, command):
    status, out, err = command("import", "dbstore", url)
    assert (status in {1, 2}, out, len(err.splitlines())) == (True, "", 1)
    assert "a-password" not in err


LARGE = 8 * BATCH_SIZE


@pytest.fixture
def importing(sqlite_url, tmp_path):
    """The command that imports a large file, as a process of its own."""
    path = tmp_path / "large.csv"
    lines = (line("C", token(f"user {n}@example.com", n)) for n in range(1, LARGE + 1))
    path.write_text("\n".join([header("C"), *lines]))
    return lambda: started(sqlite_url, "filestore", path, "--json")


def started(sqlite_url, *arguments):
    """Start an import as users do."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ZOHO_TOKENSTORE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "zoho_tokenstore", "import", *map(str, arguments)],
        env=environ | {"ZOHO_TOKENSTORE_URL": sqlite_url, "NO_COLOR": "1", "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A run of the tests in the background ignores Ctrl-C, and what it starts would as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )


def count(sqlite_url, table):
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=30)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT], ids=lambda sign: sign.name)
@pytest.mark.usefixtures("command")
def test_an_import_that_was_ended_leaves_whole_batches_and_is_completed_by_the_next(
    sign, importing, sqlite_url
):
    process = importing()
    wait_until(lambda: count(sqlite_url, "oauthtoken") > 0)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in err
    done = count(sqlite_url, "oauthtoken")
    assert 0 < done < LARGE
    assert done % BATCH_SIZE == 0
    assert count(sqlite_url, "oauthtoken_audit") == done
    process = importing()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    counts = {name: number for name, number in json.loads(out).items() if number}
    assert counts == {"unchanged": done, "created": LARGE - done}
    assert count(sqlite_url, "oauthtoken") == LARGE
    assert count(sqlite_url, "oauthtoken_audit") == LARGE


@pytest.mark.usefixtures("command")
def test_the_real_command_imports_from_sqlite_and_shows_no_traceback(sqlite_url, tmp_path):
    path = tmp_path / "theirs.db"
    sqlite_file(path, rows=[token("alice", 1), token("bob", 2, expiry="soon")])
    process = started(sqlite_url, "sqlite", path)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, len(err.splitlines())) == (1, 1), err
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert [known(each)["user_name"] for each in store.get_tokens()] == ["alice"]
