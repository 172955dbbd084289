"""``export`` writes where it was told to, and leaves links, pipes and devices what they are."""

import csv
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from commands import environment, run_in_terminal
from support import known, login
from tables import save
from zoho_tokenstore.cli import transfer
from zoho_tokenstore.errors import DatabaseUnavailableError


@pytest.fixture
def exported_url(sqlite_url):
    save(sqlite_url, login("José\nLiddell"), login("bob"))
    return sqlite_url


def names_in(text):
    return sorted(token["user_name"] for token in json.loads(text))


NAMES = ["José\nLiddell", "bob"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays(exported_url, run_command, tmp_path, exists):
    target = tmp_path / "disk" / "tokens.json"
    target.parent.mkdir()
    if exists:
        target.touch()
        target.chmod(0o644)
    link = tmp_path / "tokens.json"
    link.symlink_to("disk/tokens.json")
    done = run_command(exported_url, "export", "json", link, "--yes")
    assert done.status == 0
    assert link.is_symlink()
    assert names_in(target.read_text()) == NAMES
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize("kind", ["json", "filestore"])
def test_a_named_pipe_is_written(exported_url, run_command, tmp_path, kind):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    done = run_command(exported_url, "export", kind, pipe)
    reader.join(30)
    assert done.status == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert "bob" in read[0]


def export_to(stdout, url, *arguments):
    """Run an export with this stdout, whose encoding is not that of files."""
    return subprocess.run(
        [sys.executable, "-m", "zoho_tokenstore", "export", *arguments],
        env=environment(ZOHO_TOKENSTORE_URL=url, PYTHONIOENCODING="ascii"),
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=True,
    )


@pytest.mark.parametrize("path", ["-", "/dev/stdout", "/proc/self/fd/1", "link"])
def test_stdout_is_written_whatever_it_is(exported_url, tmp_path, path):
    if path == "link":
        path = tmp_path / "link"
        path.symlink_to("/dev/stdout")
    before = Path("/dev/stdout").lstat().st_ino
    done = export_to(subprocess.PIPE, exported_url, "json", str(path))
    assert names_in(done.stdout) == NAMES
    assert b"2 tokens exported unencrypted to stdout" in done.stderr
    appended = tmp_path / "appended"
    appended.write_text("before\n")
    with appended.open("a") as file:
        export_to(file, exported_url, "json", str(path))
        file.seek(0, os.SEEK_END)
        file.write("after\n")
    lines = appended.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert names_in("\n".join(lines[1:-1])) == NAMES
    assert Path("/dev/stdout").lstat().st_ino == before


def test_a_file_on_stdout_is_the_same_as_a_file(exported_url, tmp_path):
    path, piped = tmp_path / "a", tmp_path / "b"
    with piped.open("wb") as file:
        export_to(file, exported_url, "filestore", "-")
    with Path(os.devnull).open("wb") as file:
        export_to(file, exported_url, "filestore", str(path))
    assert path.read_bytes() == piped.read_bytes()
    with path.open(newline="", encoding="utf-8") as file:
        assert {row[1] for row in csv.reader(file)} >= set(NAMES)


def test_tokens_are_not_exported_to_a_terminal(exported_url):
    for path in ("-", "/dev/stdout", "/dev/tty"):
        status, seen = run_in_terminal("export", "json", path, url=exported_url)
        assert status in (1, 2), path
        assert "1000." not in seen
        assert "is a terminal" in seen or path == "/dev/tty"  # which may be another one, or none


def test_a_device_is_written_without_a_question(exported_url, run_command):
    assert run_command(exported_url, "export", "json", os.devnull).status == 0
    done = run_command(exported_url, "export", "json", "/dev/full")
    assert (done.status, done.out) == (1, "")
    assert "/dev/full is not writable: No space left on device" in done.err


def test_a_database_that_fails_is_not_a_target_that_fails(
    exported_url, run_command, tmp_path, monkeypatch
):
    def fail(*_):
        raise DatabaseUnavailableError("the database is gone")

    monkeypatch.setattr(transfer, "iter_records", fail)
    done = run_command(exported_url, "export", "json", tmp_path / "tokens.json")
    assert (done.status, done.err) == (1, "zoho-tokenstore: the database is gone\n")
    assert not (tmp_path / "tokens.json").exists()


@pytest.mark.parametrize(
    "arguments", [["current"], ["check"], ["downgrade", "base"], ["adopt", "--yes"]], ids=" ".join
)
def test_a_mistyped_path_creates_no_file(sqlite_url, run_command, tmp_path, arguments):
    done = run_command(sqlite_url, *arguments)
    assert (done.status, done.out) == (1, "")
    assert "does not exist" in done.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_exported_is_what_is_stored(sqlite_url):
    tokens = [login("alice")]
    save(sqlite_url, *tokens)
    done = export_to(subprocess.PIPE, sqlite_url, "json", "-")
    assert json.loads(done.stdout) == [known(tokens[0])]
