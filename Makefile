# `make demo` and `make test` set up their own .venv first; nothing outside the checkout is changed but the wheel cache.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
VENV ?= .venv
export VENV
BIN = $(VENV)/bin
DEMO = $(sort $(wildcard models/nano/demo/*.ogg))

.PHONY: help demo test lint types wheel-check test-torch clean setup-runtime setup-dev setup-torch check-python

help:            ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: setup-runtime    ## set up, then answer the bundled recordings
	@test -n "$(DEMO)" || { echo "make: models/nano/demo holds no recording" >&2; exit 1; }
	@for recording in $(DEMO); do \
		echo "$$ edge-llasm ask $$recording"; $(BIN)/edge-llasm ask $$recording || exit; done

test: setup-dev        ## set up, then run the tests that need no torch
	$(BIN)/python -m pytest -m "not torch" $(PYTEST)

test-torch: setup-torch ## set up with torch, then run the tests that need it
	$(BIN)/python -m pytest -m torch $(PYTEST)

lint: setup-dev        ## ruff: style and the layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev       ## mypy --strict
	$(BIN)/mypy

wheel-check: setup-dev ## build the wheel, use it in an empty environment without network
	$(BIN)/python scripts/wheel_check.py

clean:                 ## remove what was made here (not the wheel cache)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

setup-runtime setup-dev setup-torch: setup-%: check-python
	@$(PYTHON) scripts/setup.py $*

check-python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later is needed: install it, or make PYTHON=/path/to/python3" >&2; exit 1; }
