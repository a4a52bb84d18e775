# `make demo` and `make test` each do the whole set-up first; a second run reuses it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow mutate bench try-wheel try-lowest docs clean

VENV := .venv
MUTANTS ?= 500
SEED ?= 0
# Benchmarks that are told what to measure, on the command line.
ASKING := cluster decoders growth manifest server
RUN := $(VENV)/bin
# The first interpreter from 3.11 to 3.14 that really starts; set PYTHON to choose another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c "$(SUPPORTED)" 2>/dev/null && echo $$p && break; done)
READY := $(VENV)/.ready

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt Makefile
	@test -n "$(PYTHON)" || { echo "kinema needs Python 3.11 to 3.14; set PYTHON=/path/to/it" >&2; exit 1; }
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --upgrade pip
	$(RUN)/python -m pip install --quiet -c constraints.txt torch
	$(RUN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

setup: $(READY)  ## Make .venv with pinned versions

demo: setup  ## Make videos, train, compare, write demo/report.html (some minutes)
	$(RUN)/kinema demo --out demo

test: setup  ## Check style and types, run the default test suite
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/python -m pytest -m "not slow"

test-slow: setup  ## Run the long tests: soak, browser, big trainings
	$(RUN)/python -m pytest -m slow

mutate: setup  ## Try videos and other files with wrong bytes: MUTANTS=2000 SEED=7
	$(RUN)/python -m pytest tests/mutation -m slow -s --mutants $(MUTANTS) --mutation-seed $(SEED)

bench: setup  ## Run the benchmarks that want no arguments; each prints JSON
	@for file in $(filter-out $(ASKING:%=benchmarks/%.py),$(wildcard benchmarks/*.py)); do $(RUN)/python $$file || exit 1; done

try-wheel: setup  ## Build the wheel and try each extra: EXTRAS="core search train,report"
	PYTHON=$(abspath $(RUN)/python) ci/try_wheel.sh $(EXTRAS)

try-lowest: setup  ## The same with the lowest versions that pyproject.toml allows
	$(RUN)/python ci/lowest.py > lowest.txt
	PYTHON=$(abspath $(RUN)/python) CONSTRAINTS=$(abspath lowest.txt) ci/try_wheel.sh $(or $(EXTRAS),all)

docs: setup  ## Build the documentation into site/
	$(RUN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(RUN)/mkdocs build --strict

clean:  ## Remove the environment and what the demo made
	rm -rf $(VENV) demo
