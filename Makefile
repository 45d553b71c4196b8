# Two commands matter: `make serve` and `make test`. Each makes its own .venv from the locked requirements.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := config mirror proxy wheelkeep tests deploy benchmarks

.PHONY: help serve test check unit bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

serve: .venv/run ## run wheelkeep with no configuration: http://127.0.0.1:8080/simple/
	$(BIN)/wheelkeep serve

test: check unit ## every check: lint, format, types, import contracts, all tests

check: .venv/dev ## the static checks alone
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/dev ## the tests alone
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered

bench: .venv/dev ## measure every row of benchmarks/ against its peers (ROWS="..." for some; needs nginx and wrk)
	$(BIN)/python -m benchmarks $(ROWS)

lock: .venv/dev ## renew requirements/*.txt from pyproject.toml (needs uv on PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet pyproject.toml -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet --group dev pyproject.toml -c requirements/run.txt -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet requirements/build.in -o requirements/build.txt

clean: ## remove the environment and every cache
	rm -rf .venv .bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist

.venv/base: 
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wheelkeep needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/base requirements/build.txt requirements/run.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
