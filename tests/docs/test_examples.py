"""Every Python example of the README and the documentation is executed, in order, page by page."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import typer
from sqlalchemy import Engine
from zohocrmsdk.src.com.zoho.crm.api.dc import USDataCenter
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter

from benchmarks.report import pages
from benchmarks.results import read_results
from pages import examples_of
from support import logged_in
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_of(group, prefix=""):
    """Return the commands by name, those of groups with their group's."""
    found = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= commands_of(command, f"{name} ") if inner else {prefix + name: command}
    return found


COMMANDS = commands_of(typer.main.get_command(app))


ELSEWHERE = {"own-alembic"}
"""Pages whose examples have a test of their own."""


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if examples_of(page) and page.stem not in ELSEWHERE],
    ids=lambda page: page.stem,
)
def test_the_examples_run_and_print_what_the_page_says(page, zoho, tmp_path, monkeypatch, capsys):
    examples = examples_of(page)
    if any("USDataCenter.PRODUCTION()" in example.source for example in examples):
        play_the_real_zoho(zoho, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOHO_TOKENSTORE_URL", "sqlite:///tokens.db")
    play_secrets_managers(monkeypatch)
    if page.stem == "encryption":
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", Keyring.generate_key())
    subprocess.run([sys.executable, "-m", "zoho_tokenstore", "upgrade"], check=True)
    if page.stem == "without-the-sdk":
        monkeypatch.setenv("ZOHO_TOKENSTORE_ACCOUNTS_URL", zoho.accounts_url)
        with SQLAlchemyTokenStore("sqlite:///tokens.db") as store:
            logged_in(zoho, store, "alice@example.com:60001234567", expiry="1000")
    names: dict[str, object] = {"__name__": "__main__"}
    opened = {}
    capsys.readouterr()
    for source, output in examples:
        exec(compile(source, str(page), "exec"), names)
        printed = capsys.readouterr().out
        assert output in (None, printed)
        opened |= {id(value): value for value in names.values()}
    for value in opened.values():  # a later example may have reused the name
        if isinstance(value, SQLAlchemyTokenStore):
            value.close()
        elif isinstance(value, Engine):
            value.dispose()


def play_the_real_zoho(zoho, monkeypatch):
    """Let LocalZoho be the real data center, and accept the made-up grant token of examples."""
    environment = DataCenter.Environment(zoho.url, zoho.accounts_url, zoho.url)
    monkeypatch.setattr(USDataCenter, "PRODUCTION", lambda: environment)
    zoho.accounts.grant("alice@example.com", code="1000.…")


def play_secrets_managers(monkeypatch):
    """Let AWS's and HashiCorp's clients return a list of keys, in the shapes that they document."""
    key = Keyring.generate_key()
    boto3, hvac = MagicMock(), MagicMock()
    boto3.client.return_value.get_secret_value.return_value = {"SecretString": key}
    codec = hvac.Client.return_value.secrets.kv.v2
    codec.read_secret_version.return_value = {"data": {"data": {"keys": key}, "metadata": {}}}
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    monkeypatch.setitem(sys.modules, "hvac", hvac)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:8200")
    monkeypatch.setenv("VAULT_TOKEN", "token")


def test_the_readmes_example_logs_in_once(zoho, tmp_path, monkeypatch):
    play_the_real_zoho(zoho, monkeypatch)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples_of(ROOT / "README.md")[:2]:
        exec(example.source, names)
    assert [request.kind for request in zoho.requests] == ["grant", "user", "org"]
    assert len(names["store"].get_tokens()) == 1
    assert (tmp_path / "tokens.db").exists()
    names["store"].close()


def test_the_page_about_options_is_what_the_command_line_says():
    script = ROOT / "docs/options.py"
    written = (ROOT / "docs/reference/options.md").read_text()
    assert written == runpy.run_path(str(script))["page"](), f"run python {script.name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_documentation(command):
    page = (ROOT / "docs/reference/command-line.md").read_text()
    assert f"| `{command}" in page
    options = {option for p in COMMANDS[command].params for option in p.opts if "--" in option}
    common = {"--url", "--table", "--schema"}
    (row,) = re.findall(rf"^\| `{command}.*$", page, re.MULTILINE)
    assert all(option in row for option in options - common), options


def test_every_metric_is_in_the_documentation(tmp_path):
    url = f"sqlite:///{tmp_path / 'tokens.db'}"
    command = [sys.executable, "-m", "zoho_tokenstore", "--url", url]
    subprocess.run([*command, "upgrade"], check=True)
    printed = subprocess.run([*command, "stats", "--prometheus"], check=True, capture_output=True)
    page = (ROOT / "docs/how-to/operate.md").read_text()
    for name in set(re.findall(r"^[a-z_]+", printed.stdout.decode(), re.MULTILINE)):
        assert f"`{name}`" in page or f"`{name}{{" in page, name


def test_every_link_between_pages_leads_somewhere():
    for path in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readmes_links_are_absolute_and_lead_to_files_of_this_repository():
    # The README is shown by package indexes, which do not have the files next to it.
    readme = (ROOT / "README.md").read_text()
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    used = set(re.findall(r"\]\[([\w-]+)\]", readme))
    links = dict(re.findall(r"^\[([\w-]+)\]: (.+)$", readme, re.MULTILINE))
    assert used == set(links)
    assert not re.findall(r"\]\(", readme)
    for url in links.values():
        path = url.replace(f"{urls['Documentation']}en/latest/", "docs/").replace(".html", ".md")
        path = path.replace(f"{urls['Repository']}/blob/main/", "")
        assert (ROOT / path).is_file(), url


def test_the_readme_names_the_make_targets():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text()
    for target in ("demo", "test", "check", "docs", "bench"):
        assert target in targets
        assert f"make {target}" in readme


def test_the_changelog_has_a_section_for_what_is_not_released():
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_pages_about_performance_are_what_the_results_give():
    folder = ROOT / "docs/explanation"
    written = [folder / "performance.md", *sorted((folder / "performance").glob("*.md"))]
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in written}
    results = read_results(folder / "performance.json")
    assert found == pages(results), "run python docs/performance.py"
