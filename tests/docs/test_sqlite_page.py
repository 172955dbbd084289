"""The commands of the page about SQLite, executed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import login, stored
from zoho_tokenstore import SQLAlchemyTokenStore

PAGE = Path(__file__).parents[2] / "docs/how-to/sqlite.md"


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="the command sqlite3 is not installed")
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_backup_has_the_mode_of_the_original_and_its_tokens(tmp_path, monkeypatch, mode):
    monkeypatch.chdir(tmp_path)
    (commands,) = re.findall("```bash\n(.+?)```", PAGE.read_text(), re.DOTALL)
    with SQLAlchemyTokenStore("sqlite:///tokens.db") as store:
        store.save_token(login("alice"))
        Path("tokens.db").chmod(mode)
        subprocess.run(["bash", "-euc", f"umask 022\n{commands}"], check=True)
        expected = stored(store)
    assert Path("copy.db").stat().st_mode & 0o777 == mode
    with SQLAlchemyTokenStore("sqlite:///copy.db") as copy:
        assert stored(copy) == expected
