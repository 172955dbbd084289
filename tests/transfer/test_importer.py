"""What an import writes: ids, owners, encryption, audit; and what a dry run does not."""

import json

import pytest

from sources import (
    EARLIER,
    LATER,
    STORED,
    audited,
    dump,
    header,
    kept,
    kept_without_ids,
    line,
    token,
)
from support import KEY, assert_nothing_is_readable, stored
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.tokens.record import SECRET_FIELDS


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


def test_an_import_sets_up_the_database_that_it_moves_into(run_command, tmp_path):
    path, target = tmp_path / "tokens.csv", tmp_path / "new.db"
    path.write_text(line("C", token("alice")))
    url = f"sqlite:///{target}"
    looked = run_command(url, "import", "filestore", path, "--table", "others", "--dry-run")
    assert looked.status == 1
    assert "does not exist: run zoho-tokenstore upgrade" in looked.err
    assert run_command(url, "import", "filestore", tmp_path / "missing.csv").status == 1
    assert not target.exists()
    for created in (1, 0):
        done = run_command(url, "import", "filestore", path, "--table", "others")
        assert (done.status, done.out.partition(",")[0]) == (0, f"created: {created}")
    assert "alice" in run_command(url, "list", "--table", "others").out
