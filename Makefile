# The developer's manual: each target with the sentence that explains it. `make` alone prints them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev
FUZZ_STAMP := .venv/.installed-fuzz
PIP := $(BIN)/pip --quiet --disable-pip-version-check
VERSION = $(shell $(BIN)/python -c "import gateway; print(gateway.__version__)")
SECONDS ?= 600

.PHONY: help install dev run test check format e2e fuzz bench bench-relay sweep lock release clean

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

# Without a wheel of atheris for this Python the fuzz target runs as well, but blind.
$(FUZZ_STAMP): requirements-fuzz.txt $(DEV_STAMP)
	-$(PIP) install --only-binary :all: --require-hashes -r requirements-fuzz.txt
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

fuzz: $(FUZZ_STAMP)  ## look for mails that break the mail engine, for SECONDS=600; findings go to artifacts/fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: dev  ## how fast: capturing, pre-filter, scanner, one copy beside the standard library; and its memory
	$(BIN)/python -m bench.capture
	$(BIN)/python -m bench.prefilter
	$(BIN)/python -m bench.scanner
	$(BIN)/python -m bench.rewrite
	$(BIN)/python -m bench.memory

bench-relay: dev  ## the whole relay beside Postfix: mails per second, added delay, marked mail; needs Postfix
	$(BIN)/python -m bench.relay

sweep: dev  ## what the mail engine makes of real mails of yours: MAILS=a folder or mbox files
	@test -n "$(MAILS)" || { echo "which mails? make sweep MAILS=/path/to/folder"; exit 2; }
	$(BIN)/python -m bench.sweep $(MAILS)

lock: dev  ## write requirements*.txt again from setup.cfg, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra speed --extra postgres -o requirements.txt setup.cfg requirements-build.in
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev -o requirements-dev.txt setup.cfg requirements-build.in
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header -o requirements-fuzz.txt requirements-fuzz.in

release: dev  ## build dist/ from a clean tree and write CHANGELOG.md; tags and pushes nothing, and says what is left
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean; commit or remove what git status lists"; exit 1; }
	$(MAKE) check test
	rm -rf build dist
	mkdir -p build dist
	$(BIN)/python -c "from setuptools import build_meta; build_meta.build_sdist('dist')"
	$(PIP) wheel --no-build-isolation --no-deps --no-index --wheel-dir dist dist/*.tar.gz
	@git ls-files cli.py gateway store templates | sort > build/ours
	@$(BIN)/python -m zipfile -l dist/*.whl | awk 'NR > 1 { print $$1 }' | grep -v '\.dist-info/' | sort > build/packed
	@diff build/ours build/packed || { echo "the wheel does not hold what git knows"; exit 1; }
	$(BIN)/towncrier build --yes --version $(VERSION)
	@echo "Built and written: version $(VERSION). What is left is yours:"
	@echo "  git diff --cached          read CHANGELOG.md"
	@echo "  git commit -m 'release: Write the changes of $(VERSION)'"
	@echo "  git tag -s v$(VERSION)         and push branch and tag"
	@echo "  upload dist/, then raise __version__ in gateway/__init__.py"

clean:  ## remove what the build made; your data under var/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache artifacts
