"""Files of the SDK's FileStore, damaged too: what is whole comes over, the rest is named."""

import pytest

from sources import COLUMNS, LAYOUTS, header, kept, kept_without_ids, line, token
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE


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
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n", "\r\r\n"])
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
    """Return whether a token can have come from this user's line when it was cut.

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
    left_out = [message for message in messages if message.startswith("left out")]
    assert counts["left_out"] == len(left_out)
    rest = [row for row in found if row not in whole]
    assert [row for row in rest if not any(can_be_of(row, user) for user in cut)] == []


LINE = line("C", token("eve", 3)).encode()


UNUSABLE = {
    "too few columns": (b"3,eve,1000.CLIENT", "expected 10 columns, found 3"),
    "too many columns": (LINE + b",more", "expected 10 columns, found 11"),
    "NUL bytes": (LINE.replace(b"eve,", b"e\x00\x00e,", 1), "user_name contains U+0000"),
    "nothing but NUL bytes": (b"\x00" * 50, "expected 10 columns, found 1"),
    "invalid UTF-8": (LINE.replace(b"eve,", b"\xff\xfe,", 1), "user_name is not valid Unicode"),
    "a secret of invalid UTF-8": (LINE.replace(b"1000.refresh", b"1000.\xe9"), "refresh_token"),
    "an unclosed quote": (LINE.replace(b"eve,", b'"eve,', 1), "columns"),
    "a value without end": (LINE.replace(b"eve,", b"e" * 2**21 + b",", 1), "invalid CSV"),
    "no token at all": (b"3,eve,1000.CLIENT,secret,,,,,,", "the token is empty"),
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
        lines[number] = lines[number].replace("1000.refresh", "1000.\x00")
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


@pytest.mark.parametrize("content", [b"", b"\n\r\n", header("C").encode()])
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
