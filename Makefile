# Everything works on a fresh machine with Python 3.11+ and make: each target sets up .venv by itself, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
DEMO_ARGS ?=
PYTEST_ARGS ?=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench docs

help:
	@echo "make demo   the whole loop on the embedded world, ends in $(OUT)/report.html"
	@echo "make test   lint, types, layers and the tests"
	@echo "make lint   lint, types and layers only"
	@echo "make bench  measurements of speed and memory"
	@echo "make docs   the documentation as a site, in site/"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing groundtune into $(VENV) (some minutes the first time)"
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[docs]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/groundtune demo --out $(OUT) $(DEMO_ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sizes.py src
	$(BIN)/pyright

# The share of the code that the tests reach: make test PYTEST_ARGS=--cov
test: lint
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

bench: $(VENV)/.installed
	$(BIN)/python -m pytest -m bench -s $(PYTEST_ARGS)

docs: $(VENV)/.installed-docs
	$(BIN)/zensical build --clean
