# `make help` lists the targets. DATASETS names the groups of cells that run: make repro DATASETS="sbu sbu-switches"
SHELL := /bin/bash
# The first of these that runs and is 3.11 to 3.14; the committed results are of 3.11. Another: make setup PYTHON=/path/to/python
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3 python
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for p in $(PYTHONS); do "$$p" -c '$(FITS)' 2>/dev/null && { echo "$$p"; break; }; done)
# torch for the CPU, a tenth of the size, but on Linux with an NVIDIA GPU that of PyPI, with CUDA. Either: make setup TORCH=cpu, TORCH=pypi
TORCH ?= $(if $(or $(shell command -v nvidia-smi),$(filter-out Linux,$(shell uname))),pypi,cpu)
CPU_INDEX := https://download.pytorch.org/whl/cpu
# make setup UV=uv installs with uv instead of pip, the same versions
UV ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DVC_NO_ANALYTICS := 1
export OMP_NUM_THREADS := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro check test lint docs ui clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

PIP = $(BIN)/pip install --quiet --disable-pip-version-check
OTHER = echo "no torch for the CPU at $(CPU_INDEX); taking the one that the package index has"

setup: $(READY)  ## Make .venv with the pinned dependencies

$(READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)$(UV)" ] || { echo "error: no Python 3.11 to 3.14 found ($(PYTHONS)); install one, or name it: make setup PYTHON=..." >&2; exit 2; }
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing --seed --python $(or $(PYTHON),3.11) $(VENV)
	$(if $(filter cpu,$(TORCH)),$(UV) pip install --quiet --python $(BIN)/python --no-deps --index-url $(CPU_INDEX) -c constraints.txt torch || $(OTHER))
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
else
	$(PYTHON) -m venv $(VENV)
	$(if $(filter cpu,$(TORCH)),$(PIP) --no-deps --retries 1 --index-url $(CPU_INDEX) -c constraints.txt torch || $(OTHER))
	$(PIP) -c constraints.txt -e ".[dev]"
endif
	@touch $@

repro: $(READY)  ## Run the pipeline (DATASETS="demo sbu sbu-switches ntu"; default: as params.yaml says) and say where the reports are
	$(if $(DATASETS),@python -m pipeline use $(DATASETS))
	@python -m pipeline mend
	@python -m pipeline costs
	@echo "dvc repro"; began=$$(date +%s) && dvc repro && python -m pipeline took --since "$$began"
	@python -m pipeline track || true
	@python -m pipeline where

check: $(READY)  ## Compare accuracy with the committed baseline (after `make repro`; DATASETS as there)
	python -m pipeline check $(DATASETS)

test: lint  ## Run all tests
	python -m pytest -n 2 --dist loadfile

lint: $(READY)  ## Check style and types
	ruff check .
	ruff format --check .
	mypy

docs: $(READY)  ## Build the site of docs/ in .work/docs; a warning is an error
	$(PIP) -c constraints.txt -e ".[docs]"
	python -m sphinx --quiet --fail-on-warning --keep-going -b html docs .work/docs
	@! grep -rlE '>[^<]*\.\. [a-z]+::' .work/docs --include='*.html' || { echo "error: markup that was not rendered, in the pages above" >&2; exit 2; }
	@echo "docs: .work/docs/index.html"

ui: $(READY)  ## Open MLflow on this machine
	python -m pipeline ui

clean:  ## Remove checkpoints, live histories and partial downloads (not data, not results)
	rm -rf .work
