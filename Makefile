# Everything runs in .venv, which the first command makes; Python 3.11 or later and pip suffice.
PYTHON ?= python3
BIN := .venv/bin

# The tests start many processes, each of which would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo portal test check docs bench bench-full sdks dist clean

demo: .venv/installed
	$(BIN)/zoho-tokenstore demo

portal: .venv/portal
	$(BIN)/python examples/portal/run.py

test: .venv/developing
	$(BIN)/pytest -n 4 # on two cores too: half of the time a test waits

check: .venv/developing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/developing
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/developing
	PYTHONPATH=tests $(BIN)/python -m benchmarks quick

bench-full: .venv/developing
	PYTHONPATH=tests $(BIN)/python -m benchmarks full
	$(BIN)/python docs/performance.py

sdks: .venv/developing
	$(BIN)/nox -s sdk sdk_both

dist: .venv/developing
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/nox -s dist

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[sdk8-0]'
	touch $@

.venv/portal: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[sdk8-0,httpx]' --group portal
	touch $@

.venv/developing: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[sdk8-0,postgresql,mysql]' --group dev
	touch $@

clean:
	rm -rf .venv .nox dist docs/_build .coverage* .hypothesis .pytest_cache .mypy_cache .ruff_cache
