# The developer's manual: each target with the sentence that explains it. `make` alone prints them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev

.PHONY: help install dev run test check format e2e bench lock clean

help:  ## print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

install: $(STAMP)  ## create .venv with the locked dependencies and the project, for running it
dev: $(DEV_STAMP)  ## the same with everything the tests and checks need

run: install  ## everything on localhost: gateway, pages, a mailbox as next hop, a demo partner
	$(BIN)/goen demo

test: dev  ## all tests, with branch coverage; says which real peers are missing
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

check: dev  ## format, lint, types and floors, in under 20 s
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_floors.py

format: dev  ## write the format and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

e2e: dev  ## only the tests with real peers: Postfix, swaks, Chromium, an independent DKIM verifier
	$(BIN)/python -m pytest tests/e2e

bench: dev  ## how fast messages become durable on SQLite, and ordinary mail passes the pre-filter
	$(BIN)/python -m bench.capture
	$(BIN)/python -m bench.prefilter

lock: dev  ## write requirements*.txt again from setup.cfg, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra speed --extra postgres -o requirements.txt setup.cfg requirements-build.in
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev -o requirements-dev.txt setup.cfg requirements-build.in

clean:  ## remove what the build made; your data under var/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache artifacts
