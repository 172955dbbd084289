"""The files for the hosting platform name what this repository has."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_the_workflows_call_only_targets_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set()
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            commands = [step["run"] for step in job["steps"] if "run" in step]
            called.update(re.findall(r"make ([a-z-]+)", "\n".join(commands)))
            assert all("make" in text or "pyproject.toml" in text for text in commands), path.name
    assert {"check", "test", "docs", "dist", "sdks"} <= called <= targets


def test_the_hosting_platforms_files_are_valid_yaml():
    files = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".readthedocs.yaml"]
    assert all(isinstance(yaml.safe_load(path.read_text()), dict) for path in files)
