"""The reference pages name everything that they are about."""

import inspect
import re
from pathlib import Path

from zoho_tokenstore import SQLAlchemyTokenStore, errors
from zoho_tokenstore.settings import NAMES

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_the_table_of_errors_has_every_class_once_with_its_reason_and_its_remedy():
    page = (REFERENCE / "errors.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))
    classes = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert set(rows) == classes - {"ClassVar"}
    assert len(re.findall(r"^\| `\w+` \|", page, re.MULTILINE)) == len(rows)
    for name, row in rows.items():
        when, todo = row.rsplit(" |", 1)
        assert when, name
        assert todo.strip() or "base class" in when, name


def test_the_table_of_settings_has_every_argument_and_every_variable():
    page = (REFERENCE / "configuration.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?:=(.+?))?` \|(.+?)\|.+\|.+\|$", page, re.MULTILINE)
    parameters = list(inspect.signature(SQLAlchemyTokenStore.__init__).parameters.values())[1:]
    defaults = {
        each.name: "" if each.default is each.empty else repr(each.default) for each in parameters
    }
    shown = {name: default.replace('"', "'") for name, default, _ in rows}
    shown["refresh"] = defaults["refresh"]  # whose repr has every field
    assert shown == defaults
    variables = {variable.strip(" `") for *_, variable in rows} - {""}
    assert variables == {name.upper() for name in NAMES}
