# `make demo` and `make test` do all set-up themselves; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where it is set, each of the hundreds of commands that the tests start would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-quick coverage check site openenv mcp llm bench viewer clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## make .venv with all that the demo, the tests and the checks need

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "FlowSteer needs Python 3.11 or later: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.python
	@echo "installing FlowSteer, the embedded model's engine and what training needs into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --editable '.[local,train]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.python
	@echo "installing FlowSteer with all that its tests need into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --editable '.[local,procedural,datascience,scale,train,dev]'
	@touch $(VENV)/.demo $@

demo: $(VENV)/.demo ## a small model answers by one call and by workflows; then a Director learns
	@$(BIN)/python -c 'from flowsteer.backends.models import find; raise SystemExit(not find("qwen2.5-coder-1.5b").here)' \
		|| $(BIN)/flowsteer models pull qwen2.5-coder-0.5b
	@$(BIN)/python examples/demo.py
	@$(BIN)/python examples/learn.py

test: check ## checks, then all tests
	@$(BIN)/flowsteer models pull smollm2
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

QUICK := workflow canvas director execution answers datasets docs/test_house.py docs/test_named_tests.py

test-quick: setup ## the tests of what everything stands on: no model, no sandbox, no training
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(addprefix tests/,$(QUICK))

coverage: setup ## all tests, and which branches of the code they take
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report term:skip-covered

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

site: setup ## build the documentation into site/, and fail on a broken link
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

$(VENV)/openenv/.ready: pyproject.toml $(VENV)/.python
	@$(PYTHON) -m venv $(VENV)/openenv
	@$(VENV)/openenv/bin/python -m pip install --quiet --editable '.[openenv]' hypothesis pytest pytest-asyncio
	@touch $@

openenv: $(VENV)/openenv/.ready ## the tests of the OpenEnv adapter, whose packages cannot live beside verifiers'
	@$(VENV)/openenv/bin/python -m pytest tests/adapters/test_openenv.py tests/adapters/test_adapters_page.py

$(VENV)/mcp-server/.ready: $(VENV)/.python
	@$(PYTHON) -m venv $(VENV)/mcp-server
	@$(VENV)/mcp-server/bin/python -m pip install --quiet 'mcp-server-time>=2026.10'
	@touch $@

mcp: setup $(VENV)/mcp-server/.ready ## the tests of MCP tools, with a server from the package index beside
	@$(BIN)/python -m pytest tests/operators/test_operator_mcp.py

$(VENV)/llm/.ready: $(VENV)/.python
	@$(PYTHON) -m venv $(VENV)/llm
	@$(VENV)/llm/bin/python -m pip install --quiet 'llm>=0.36'
	@touch $@

llm: setup $(VENV)/llm/.ready ## the test of the endpoint with a client from the package index
	@$(BIN)/python -m pytest tests/serving/test_serve_llm.py

bench: setup ## print the benchmark tables
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

viewer: ## build the viewer's front end into the package (needs Node 20)
	@npm --prefix viewer ci --silent --no-audit --no-fund
	@npm --prefix viewer run --silent types
	@npm --prefix viewer run --silent build

clean: ## remove .venv and caches
	@rm -rf $(VENV) site .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
