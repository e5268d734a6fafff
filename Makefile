# `make run` and `make test` do all the set-up themselves, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Of torch 2.11 and 2.13, beside the newest, which the extra "dev" installs: our kernels must compile with each.
TRITONS := $(if $(filter Linux,$(shell uname -s)),$(addprefix $(VENV)/triton/,3.6.0 3.7.1))

# Processes that run the tests; their torch has a thread each.
WORKERS ?= 2

.PHONY: help run test check lint docs thumbnails bench gpu-day train-check soak clean

help:
	@echo "make run    install and run configs/quickstart.toml: a recording and a picture in runs/"
	@echo "make test   install what tests need; lint, types, import layers, and all tests"
	@echo "make check  lint, types, import layers, and the fast tests of the changed files (BASE=COMMIT: since then)"
	@echo "make docs   build the site: build/docs/index.html"
	@echo "make thumbnails  draw the pictures of the gallery (CONFIGS=NAME: of this config alone)"
	@echo "make bench  install the peers; measure against them; benchmarks/results/*.md (about an hour)"
	@echo "make gpu-day  on a machine with a CUDA GPU: its tests, then all rates in one table (ten minutes); installs nothing"
	@echo "make train-check  learn Life, B36/S23, Lenia and a picture as well as docs/training.md says (half an hour)"
	@echo "make soak   kill, fill, cut and damage runs as often as promised; docs/reliability.md (about an hour)"
	@echo "make clean  remove .venv, runs and caches"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Aetheria needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (the first time takes some minutes)"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e '.[dev]'
	@touch $@

run: $(VENV)/.installed
	$(BIN)/aetheria run configs/quickstart.toml --overwrite

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

$(VENV)/triton/%: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target $@.part triton==$*
	mv $@.part $@

test: lint $(TRITONS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: lint $(TRITONS)
	files=$$($(BIN)/python -m tests.changed $(or $(BASE),HEAD)); \
	if [ -n "$$files" ]; then $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $$files; else echo "no tests of the changed files"; fi

# The variable silences an announcement of the theme's authors.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

thumbnails: $(VENV)/.installed
	$(BIN)/python docs/thumbnails.py $(CONFIGS)

bench: $(VENV)/.installed
	$(INSTALL) -e '.[bench,viewer]'
	$(BIN)/python -m benchmarks.speed.stepping --out benchmarks/results/stepping.md
	$(BIN)/python -m benchmarks.speed.discrete --out benchmarks/results/discrete.md
	$(BIN)/python -m benchmarks.speed.first_step --out benchmarks/results/first_step.md
	$(BIN)/python -m benchmarks.accuracy.drift --out benchmarks/results/drift.md
	$(BIN)/python -m benchmarks.speed.watching --out benchmarks/results/watching.md
	$(BIN)/python -m benchmarks.speed.serving --out benchmarks/results/serving.md
	$(BIN)/python -m benchmarks.viewer.responsiveness --out benchmarks/results/viewer.md
	$(BIN)/python -m benchmarks.speed.rings --out benchmarks/results/rings.md
	$(BIN)/python -m benchmarks.speed.passes --out benchmarks/results/passes.md
	$(BIN)/python -m benchmarks.speed.nca --out benchmarks/results/nca.md
	$(BIN)/python -m benchmarks.speed.universes --out benchmarks/results/universes.md
	$(BIN)/python -m benchmarks.accuracy.quantised --out benchmarks/results/quantised.md
	$(BIN)/python -m benchmarks.speed.acorn --out benchmarks/results/acorn.md
	$(BIN)/python -m benchmarks.speed.large_grid --out benchmarks/results/large_grid.md
	$(BIN)/python -m benchmarks.speed.headless --out benchmarks/results/headless.md
	$(BIN)/python -m benchmarks.training.steps --cax --out benchmarks/results/training.md
	$(BIN)/python -m benchmarks.training.reading --out benchmarks/results/reading.md

# With the Python that has torch: a GPU machine may have no other, and no way to install anything.
gpu-day:
	$(PYTHON) -m benchmarks.gpu_day

soak: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.faults.reliability --full --out docs/reliability.md

train-check: $(VENV)/.installed
	$(BIN)/python -m benchmarks.training.learning --out benchmarks/results/learning.md
	$(BIN)/python -m benchmarks.training.growing --out benchmarks/results/growing.md
	$(BIN)/python -m benchmarks.training.restoring --out benchmarks/results/restoring.md
	$(BIN)/python -m benchmarks.training.examples --out benchmarks/results/examples.md

clean:
	rm -rf $(VENV) runs .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
