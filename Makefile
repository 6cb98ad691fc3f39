# `make` alone lists the targets. Each needs .venv and makes it when it is missing or out of date.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin

# The stamp's name holds what the environment was made from: the pins, the package's metadata and C sources, the place
# of the clone.
FINGERPRINT := $(shell (cat requirements/constraints.txt pyproject.toml hatch_build.py src/tradespan/native/*.[ch]; pwd) | (sha256sum 2>/dev/null || shasum -a 256) | cut -c 1-16)
STAMP := .venv/.installed-$(FINGERPRINT)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(STAMP) ## make .venv with every extra, pinned and hashed (nothing to do when nothing changed)

$(STAMP):
	@PYTHON="$(PYTHON)" sh tools/install.sh $@

.PHONY: demo
demo: $(STAMP) ## a small trading system under tradespan (ARGS="--for 15 --no-ui")
	@$(BIN)/tradespan demo $(ARGS)

.PHONY: test
test: $(STAMP) ## the tests that need nothing but Python, a file in one of three processes (ARGS="-k spool -n 0")
	$(BIN)/python -m pytest -n 3 --dist loadfile tests --ignore=tests/browser --ignore=tests/stack --ignore=tests/crash_long $(ARGS)

.PHONY: test-browser
test-browser: $(STAMP) ## the pages in a headless Chromium (installed by apt-get when missing)
	@sh tools/ensure_chromium.sh
	$(BIN)/python -m pytest tests/browser $(ARGS)

.PHONY: crash
crash: $(STAMP) ## what is lost, in true time: an hour (ARGS="--only matrix --subjects tradespan --write")
	@$(BIN)/python -m tests.crash_long $(ARGS)

.PHONY: explore
explore: $(STAMP) ## other people's test suites under tradespan (ARGS="--only pandas.frame attrs --write")
	@$(BIN)/python -m tests.explore $(ARGS)

.PHONY: check
check: $(STAMP) ## linters, types, import contracts, house rules
	@$(BIN)/python tools/check.py

.PHONY: bench
bench: $(STAMP) ## what tradespan costs, and what its peers do (ARGS="--quick --only monitor,raise")
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: lock
lock: ## pin the dependencies anew (ARGS=--upgrade for the newest)
	@PYTHON="$(PYTHON)" sh tools/lock.sh $(ARGS)

.PHONY: clean
clean: ## remove what make, tests and builds left, .venv included
	rm -rf .venv .venv-lock build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f src/tradespan/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
