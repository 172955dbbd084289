"""``demo``, with its processes and its scenes."""

import re

from commands import run_process


def test_the_demonstration_runs_to_its_end():
    result = run_process("demo", COLUMNS="200")
    assert result.status == 0, result.err
    for words in (
        "alice@example.com:60001234567",
        "3 logins and 1 refresh\n",
        "removed from the store",
        "Database file: ",
    ):
        assert words in result.out
    assert not re.search(r"1000\.[0-9a-f]{32}", result.out), "a token is shown"
