# Two commands do everything on a fresh machine with Python 3.11+: make demo, make test.
# All of it lives in .venv and .clients; nothing is installed anywhere else.

VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .clients
# The first Python 3.11 or newer that really starts; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
HOME_FOLDER ?= demo-home
# How many tests run at once. Most of them wait for other processes, so there are more than cores.
PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo run check test crash bench fix golden docs clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## create .venv with everything pinned

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Turnout needs Python 3.11 or newer; none was found on PATH."; exit 1; }
	@echo "Installing Turnout into $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## a pretend company with real parts; FRESH=1 begins anew
	@exec $(BIN)/turnout demo --home $(HOME_FOLDER) $(if $(FRESH),--fresh)

run: setup ## turnout serve in the home folder HOME_FOLDER
	@exec $(BIN)/turnout serve --home $(HOME_FOLDER)

check: setup ## format, lint, types, the house's imports, docs
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make fix'."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -q tests/docs

# Other people's libraries, to test with; without them those tests skip, and say so.
$(CLIENTS)/.ready: $(VENV)/.ready tests/sdk/install.py tests/sdk/package-lock.json $(wildcard tests/sdk/python/*.txt)
	@echo "Installing the libraries to test with into $(CLIENTS)"
	@$(BIN)/python -m tests.sdk.install || echo "They cannot be had now; their tests will be skipped."

test: setup $(CLIENTS)/.ready ## every test
	@$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

crash: setup ## kill -9, power cuts, full disks, clock jumps: hundreds of them, nothing lost
	@$(BIN)/python -m tests.crash $(ARGS)

bench: setup ## each figure as: name value unit ratio-to-baseline
	@$(BIN)/python -m bench

fix: setup ## format and mend what can be mended
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet . || true

golden: setup ## rewrite the golden files, for reading in review
	@$(BIN)/pytest -q --golden tests

docs: setup ## rewrite the generated reference pages
	@$(BIN)/python -m docs.generate

clean: ## remove .venv, .clients and the demo's home
	rm -rf $(VENV) $(CLIENTS) $(HOME_FOLDER)
