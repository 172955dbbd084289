"""Tokens that are stored already, doubled or truncated: which one wins, and which is refused."""

import pytest

from sources import (
    EARLIER,
    EXPIRY,
    LATER,
    LAYOUTS,
    STORED,
    audited,
    header,
    in_order,
    kept,
    kept_without_ids,
    line,
    token,
)
from support import LOGIN
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE


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


CONFLICTS = {
    ("newer", LATER): ("updated", "1000.file"),
    ("newer", EARLIER): ("skipped", "1000.stored"),
    ("newer", EXPIRY): ("skipped", "1000.stored"),
    ("skip", LATER): ("skipped", "1000.stored"),
    ("replace", EARLIER): ("updated", "1000.file"),
    ("replace", LATER): ("updated", "1000.file"),
}


@pytest.mark.parametrize(("option", "expiry"), CONFLICTS)
def test_the_option_decides_which_token_wins(option, expiry, import_lines, tokens):
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


@pytest.mark.parametrize(
    ("option", "user", "outcome", "refresh_tokens"),
    [
        ("newer", "alice", "skipped", ["1000.new"]),
        ("skip", "alice", "skipped", ["1000.new"]),
        ("replace", "alice", "updated", ["1000.old"]),
        ("newer", None, "created", ["1000.new", "1000.old"]),
        ("replace", None, "created", ["1000.new", "1000.old"]),
    ],
)
def test_a_login_that_was_superseded_comes_back_only_if_it_shall_replace(
    option, user, outcome, refresh_tokens, import_lines, tokens
):
    for refresh_token in ("1000.old", "1000.new"):
        row = token("alice", 1, refresh_token=refresh_token)
        assert import_lines(line("C", row), options=("--on-conflict", "replace"))[0] == 0
    earlier = token(user, 2, refresh_token="1000.old", access_token="1000.file", expiry=LATER)
    options = ("--on-conflict", option)
    assert import_lines(line("C", earlier), options=options) == (0, {outcome: 1}, [])
    assert sorted(row["refresh_token"] for row in tokens()) == refresh_tokens


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
