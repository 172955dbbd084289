"""Imports in processes of their own that are killed or interrupted."""

import json
import signal
import subprocess
import sys

import pytest

from commands import environment
from sources import (
    count,
    header,
    line,
    sqlite_file,
    token,
)
from support import known, wait_until
from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE

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
    return subprocess.Popen(
        [sys.executable, "-m", "zoho_tokenstore", "import", *map(str, arguments)],
        env=environment(ZOHO_TOKENSTORE_URL=sqlite_url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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
    sqlite_file(path, rows=[token("alice", 1), token("bob", 2, refresh_token=b"blob")])
    process = started(sqlite_url, "sqlite", path)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, len(err.splitlines())) == (1, 2), err
    with SQLAlchemyTokenStore(sqlite_url) as store:
        assert [known(each)["user_name"] for each in store.get_tokens()] == ["alice"]
