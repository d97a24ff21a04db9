# Needs Python 3.11 or later, and make. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One worker a core up to four; more would only fight over memory.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')
# In the order of tests/conftest.py: xdist's own puts the slowest tests last.
IN_PARALLEL := -n $(WORKERS) --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz lint format protos golden support reference clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(READY)  ## make the virtual environment in .venv and install everything into it

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up: a virtual environment in $(VENV), then TensorFlow, LiteRT, gRPC and the rest (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)
	@echo "Set up: $$($(BIN)/fieldfare --version) in $(VENV)"

demo: $(READY)  ## train on handwritten digits over 30 devices; results in runs/demo
	@$(BIN)/fieldfare demo --output runs/demo

# Coverage slows Python down by half, so that only the unit tests, which must reach all of core, are measured.
test: $(READY)  ## run the whole test suite; the unit tests must cover every branch of core
	@$(BIN)/python -m pytest tests/unit $(IN_PARALLEL) \
	  --cov=fieldfare.core --cov-branch --cov-report=term --cov-fail-under=100
	@$(BIN)/python -m pytest --ignore=tests/unit $(IN_PARALLEL)

fuzz: $(READY)  ## feed every decoder with a million damaged inputs; nightly, about ten minutes
	@$(BIN)/python -m tests.fuzz --runs 1000000

lint: $(READY)  ## ruff, mypy, and whether the generated code is current
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m fieldfare.protos.generate --check

format: $(READY)  ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

protos: $(READY)  ## regenerate the Python code of the .proto files
	@$(BIN)/python -m fieldfare.protos.generate

golden: $(READY)  ## write the golden bytes anew, for a new message or field; read the diff
	@$(BIN)/python -m tests.conformance.make_golden

support: $(READY)  ## write the table of supported layers, docs/support.md, anew
	@$(BIN)/python -m tests.parity.table

reference: $(READY)  ## write the reference of the SDK, docs/sdk_reference.md, anew
	@$(BIN)/python -m tests.documentation.sdk_reference

clean:  ## remove the virtual environment, caches and runs
	rm -rf $(VENV) runs .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
