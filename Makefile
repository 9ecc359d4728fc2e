# Every target works on a fresh machine with Python 3.11+ and make: it sets up its environment the first time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
DEMO_ARGS ?=
PYTEST_ARGS ?=
# Modules are compiled when they are first imported: most never are, and compiling all of them takes
# twice as long as the rest of an installation.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo generated test test-elsewhere test-floor test-ray test-zero test-web test-docs reference-figures test-wheel test-pythons package lint lint-without-types bench bench-faults bench-train bench-train-gpu bench-rl docs

help:
	@echo "make demo   run the whole loop on the embedded world; writes $(OUT)/report.html"
	@echo "make test   run lint, types, layers and the tests"
	@echo "make test-elsewhere  run the tests with another instruction set, locale, time zone, terminal and order"
	@echo "make test-floor  test the model families on the oldest supported transformers"
	@echo "make test-ray  test the stages on a Ray cluster on this machine, in a separate environment"
	@echo "make test-zero  test training with DeepSpeed in two processes, in a separate environment"
	@echo "make test-web  test the annotation app's pages in Chromium and Firefox, which must be installed"
	@echo "make generated  write JSON Schemas and pages again after a change of settings"
	@echo "make test-docs  run the commands of all pages and the notebook"
	@echo "make package  build wheel and sdist in dist/ and check them"
	@echo "make test-wheel  try the wheel in a clean environment without a network"
	@echo "make test-pythons  check that wheels of all dependencies exist for other Pythons"
	@echo "make lint   run lint, types and layers only"
	@echo "make reference-figures  compare with the figures of official scorers and count matches"
	@echo "make bench  measure speed and memory"
	@echo "make bench-faults  kill, damage and fill up runs and break inputs, and count what is lost, wrong or unclear"
	@echo "make bench-train  compare training with TRL, in a separate environment"
	@echo "make bench-train-gpu  the same on a GPU, with models of realistic size"
	@echo "make bench-rl  compare reinforcement learning with TRL, in the same environment"
	@echo "make docs   build the documentation as a site in site/"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What users need, without the tools of developers: 63 packages instead of 102, with what they bring.
$(VENV)/.installed-user: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing groundtune into $(VENV) (some minutes the first time; docs/start.md#install: less without a GPU)"
	$(PIP_INSTALL) -e '.[serve,annotate,tables]'
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing groundtune into $(VENV) (some minutes the first time)"
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[docs]'
	@touch $@

demo: $(VENV)/.installed-user
	$(BIN)/groundtune demo --out $(OUT) $(DEMO_ARGS)

# Files that are generated from the code; tests compare them with it.
generated: $(VENV)/.installed
	$(BIN)/groundtune schema --out recipes/schemas
	$(BIN)/python tools/make_methods_page.py docs/methods.md
	$(BIN)/python tools/make_recipes_page.py docs
	$(BIN)/python tools/make_commands_page.py docs/commands.md
	$(BIN)/python tools/make_settings_page.py docs/settings.md
	$(BIN)/python tools/bench_table.py
	$(BIN)/python tools/make_licences_page.py docs/licences.md

lint: lint-without-types
	$(BIN)/pyright

lint-without-types: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sizes.py src

# Types are checked while the tests run: by themselves they keep one core busy for a minute.
# Test coverage: make test PYTEST_ARGS=--cov
test: lint-without-types
	$(BIN)/pyright > $(VENV)/pyright.log & types=$$!; \
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS); tests=$$?; \
	wait $$types; types=$$?; cat $(VENV)/pyright.log; test $$tests$$types = 00

# Settings that tests must not depend on, all with unusual values.
ELSEWHERE := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 LC_ALL=C TZ=Pacific/Kiritimati \
	HOME=/nonexistent COLUMNS=40 FORCE_COLOR=1 PYTHONHASHSEED=7 HTTP_PROXY=http://127.0.0.1:9
test-elsewhere: $(VENV)/.installed
	umask 077 && $(ELSEWHERE) $(BIN)/python -m pytest -n 2 --shuffle 7 \
		--basetemp="$(VENV)/two words" $(PYTEST_ARGS)

# The oldest transformers that pyproject.toml allows, in a separate environment.
FLOOR := .venv-floor
$(FLOOR)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FLOOR)
	sed '/^transformers==/d' constraints.txt > $(FLOOR)/constraints.txt
	$(FLOOR)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(FLOOR)/constraints.txt -e '.[serve]' 'transformers==5.20.*' pytest hypothesis
	@touch $@

test-floor: $(FLOOR)/.installed
	$(FLOOR)/bin/python -m pytest $(PYTEST_ARGS) tests/engine tests/vlm tests/generate

# Ray in a separate environment: it is large, and an extra.
RAY := .venv-ray
$(RAY)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[ray]' pytest hypothesis
	@touch $@

test-ray: $(RAY)/.installed
	$(RAY)/bin/python -m pytest -m ray $(PYTEST_ARGS) tests/pipeline/models/workers/test_ray.py

# DeepSpeed in a separate environment: it is built from source, without its kernels.
ZERO := .venv-zero
$(ZERO)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ZERO)
	DS_BUILD_OPS=0 $(ZERO)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[deepspeed]' pytest hypothesis
	@touch $@

test-zero: $(ZERO)/.installed
	$(ZERO)/bin/python -m pytest $(PYTEST_ARGS) tests/train/test_train_zero.py

test-web: $(VENV)/.installed
	$(BIN)/python -m pytest -m web $(PYTEST_ARGS) tests/web

# Wheel and sdist: built, checked, and the wheel tried in a clean environment without a network.
WHEEL := .venv-wheel
$(WHEEL)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt build twine hatchling
	@touch $@

package: $(WHEEL)/.installed
	rm -rf dist
	$(WHEEL)/bin/python -m build --no-isolation --outdir dist
	$(WHEEL)/bin/python -m twine check --strict dist/*
	$(WHEEL)/bin/python tools/check_packages.py dist

test-wheel: package
	rm -rf $(WHEEL)/clean
	$(PYTHON) -m venv $(WHEEL)/clean
	$(WHEEL)/clean/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt "$$(ls dist/*.whl)[annotate]"
	tools/smoke_test.sh $(WHEEL)/clean

# Other Pythons: only whether wheels of every dependency exist for them.
PYTHONS ?= 3.12 3.13
test-pythons: package
	for each in $(PYTHONS); do \
		$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
			--dry-run --ignore-installed --target $(WHEEL)/none --only-binary :all: \
			--python-version $$each dist/*.whl && echo "Python $$each: every wheel is there" || exit 1; \
	done

# Commands of all pages and the scripts of the tutorials, in fresh folders, and the notebook in a kernel.
test-docs: $(VENV)/.installed-docs
	$(BIN)/python -m pytest -m "docs or not docs" $(PYTEST_ARGS) tests/docs

# Figures and readings of official scorers that ours equal, by benchmark. With the data of
# GROUNDTUNE_TEST_DATA all of them; what is left out without it is listed.
reference-figures: $(VENV)/.installed
	$(BIN)/python -m pytest -m official $(PYTEST_ARGS) tests/bench/tasks

bench: $(VENV)/.installed
	$(BIN)/python -m pytest -m bench -s $(PYTEST_ARGS)

# Faults put into every stage: docs/faults.md. About an hour; arguments for example:
#   make bench-faults BENCH_ARGS="--kinds kills flips --stages sample train --trials 20 --seed 7"
#   make bench-faults BENCH_ARGS="--kinds inputs --inputs 200 --targets prompts import"
bench-faults: $(VENV)/.installed
	$(BIN)/python -m benchmarks.faults.run $(BENCH_ARGS)

# All ten cases; a stopped run resumes with the same command. To choose cases, or list their names:
#   make bench-train BENCH_ARGS="llava-100-lora --no-ablation"
#   make bench-train BENCH_ARGS=--list
BENCH := .venv-bench
BENCH_ARGS ?=
$(BENCH)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e . trl==1.16.0
	@touch $@

bench-train: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/train_against_trl.py $(BENCH_ARGS)

# Without a GPU this works only with BENCH_ARGS=--rehearse.
bench-train-gpu: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/train_on_gpu.py $(BENCH_ARGS)

# Three cases; each is kept once measured. BENCH_ARGS=--list names them.
bench-rl: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/rl_against_trl.py $(BENCH_ARGS)

docs: $(VENV)/.installed-docs
	$(BIN)/zensical build --clean --strict
