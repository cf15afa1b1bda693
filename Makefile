# `make run` does the main job, `make test` tests the suite itself. Both need Python 3.11+ and pip.
PYTHON ?= python3
VLLM ?=
TARGETS ?= hermes mistral
RELEASES ?= 0.27.0 0.28.0 0.29.0 0.30.0 0.31.0 0.32.0
BIN := .venv/bin

.PHONY: help run test quick clients lint wheel docs mutants history clean
.DEFAULT_GOAL := help

help:
	@echo "make run    test a real vLLM, started here without a GPU: $(TARGETS)"
	@echo "make test   the suite's own tests, real vLLM included"
	@echo "make quick  those of them that are fast and need no vLLM"
	@echo "make lint   ruff, mypy, and the files of cases, targets and known issues"
	@echo "make clients  clients of today read the rules' recorded answers again"
	@echo "make wheel  the suite, and what a vLLM server loads, as wheels in dist/"

.venv/ready: pyproject.toml
	@echo "making .venv (about a minute)"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; give another with PYTHON=…")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

run: .venv/ready
	@failed=; for target in $(TARGETS); do \
	  $(BIN)/pytest --launch $$target $(if $(VLLM),--vllm $(VLLM)) --results .conformance/$$target/results.json \
	    || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "not conforming:$$failed"; exit 1; fi; \
	echo "all conforming, except for the known issues named above: $(TARGETS)"

test: quick
	@$(BIN)/pytest -n 2 -m "(slow or hypothesis) and not vllm" tests
	@$(BIN)/pytest -n 2 --dist loadfile -m vllm tests

quick: .venv/ready
	@$(BIN)/pytest -n 3 -rs -m "not vllm and not slow" --hypothesis-profile=quick tests  # they wait more than they compute

# Each client has an environment of its own. Those in JavaScript need node and npm.
clients: .venv/ready $(patsubst %/requirements.txt,%/.venv/ready,$(wildcard tests/clients/*/requirements.txt)) \
  $(patsubst %/package-lock.json,%/node_modules/ready,$(wildcard tests/clients/*/package-lock.json))
	@$(BIN)/pytest -m clients tests/tools

tests/clients/%/.venv/ready: tests/clients/%/requirements.txt
	@echo "making tests/clients/$*/.venv"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

tests/clients/%/node_modules/ready: tests/clients/%/package-lock.json
	@echo "making tests/clients/$*/node_modules"
	@cd tests/clients/$* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m conformance check

wheel: .venv/ready
	@rm -f dist/toolcall_truth*
	@$(BIN)/python -m hatchling build -t wheel -d dist
	@cd distributions/replay && ../../$(BIN)/python -m hatchling build -t wheel -d ../../dist

docs: .venv/ready
	@$(BIN)/python -m tools.rule_pages
	@$(BIN)/python -m conformance options --into docs/options.md
	@$(BIN)/python -m tools.kill_matrix
	@$(BIN)/python -m tools.golden
	@$(BIN)/python -m tools.copying_page

mutants: .venv/ready
	@nice $(BIN)/python -m tools.mutants --into docs/mutants.md

history: .venv/ready
	@$(BIN)/python -m conformance matrix hermes mistral mistral-tekken mistral-v11 \
	  $(foreach version,$(RELEASES),--vllm $(version)) -o .conformance/history || [ $$? = 1 ]
	@$(BIN)/python -m tools.history .conformance/history

clean:
	rm -rf tests/clients/*/.venv tests/clients/*/node_modules
	rm -rf .venv .conformance build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
