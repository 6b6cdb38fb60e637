# Everything that a checkout needs. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
LOWEST := .venv-lowest
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test slow campaign check docs audit coverage lowest clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## train a small model on drawn images, translate held-out ones, print the score and a picture's path
	$(VENV)/bin/instar demo -o demo

test: $(STAMP) ## run the tests (without the slow ones and those that need a GPU)
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2

slow: $(STAMP) ## run the slow tests
	$(RUN) pytest -m "slow and not gpu"

campaign: $(STAMP) ## run the long form of the attacks in tests/hostile, and print the table of what they found
	INSTAR_HOSTILE_ROUNDS=$${INSTAR_HOSTILE_ROUNDS:-30} OMP_NUM_THREADS=1 $(RUN) pytest tests/hostile -m hostile -n 2

check: $(STAMP) ## check style, types, the direction of imports, and the documentation
	$(RUN) ruff check --no-cache .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) mypy --config-file benchmarks/mypy.ini benchmarks tools examples
	$(RUN) pytest tests/test_architecture.py
	$(RUN) zensical build --strict

docs: $(STAMP) ## write METHODS.md and the reference of Python, and build the documentation into site/
	$(VENV)/bin/python tools/pages.py
	$(RUN) zensical build --strict

audit: $(STAMP) ## ask for known faults of the packages that are installed; skipped without the network
	$(VENV)/bin/python tools/audit.py

coverage: $(STAMP) ## run the tests and say which share of the lines they run
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --cov=instar --cov-report=term --cov-report=html:coverage

lowest: $(STAMP) ## run the tests with the oldest versions of all packages that pyproject.toml allows, torch and numpy too
	$(RUN) uv venv --clear --python $(VENV)/bin/python $(LOWEST)
	$(RUN) uv pip install --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[dev]'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2

clean: ## remove what the other targets made, the installation included
	rm -rf $(VENV) $(LOWEST) site dist build demo coverage .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests docs examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed again only when pyproject.toml has changed. The package is editable: its source may change freely.
$(STAMP): pyproject.toml
	@if ! $(RUN) pip --version >/dev/null 2>&1; then \
	    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	        echo "Instar needs Python 3.10 or newer, and $(PYTHON) is not that: install one, then make PYTHON=python3.12 ..." >&2; \
	        exit 1; }; \
	    $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	        echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu the package python3-venv)" >&2; exit 1; }; \
	    echo "Making $(VENV) with $$($(PYTHON) --version)"; \
	    $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	    echo "Installing Instar, PyTorch and the development tools; first time: downloads about 3 GB of PyTorch; minutes"; \
	    df -Pk . | awk 'NR == 2 && $$4 < 10 * 1024 * 1024 { printf "Only %.1f GB are free here: this takes 6.5 GB," \
	        " and 3 GB more while it runs\n", $$4 / 1024 / 1024 }' >&2; \
	else \
	    echo "Installing Instar and its development tools: pyproject.toml is new or has changed"; \
	fi
	$(RUN) pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@
