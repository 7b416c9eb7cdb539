# `make help` lists the targets. DATASETS names the groups of cells that run: make repro DATASETS="sbu sbu-switches"
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DVC_NO_ANALYTICS := 1
export OMP_NUM_THREADS := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro check test lint ui clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with the pinned dependencies

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

repro: $(READY)  ## Run the pipeline (DATASETS="demo sbu sbu-switches ntu"; default: as params.yaml says) and say where the reports are
	$(if $(DATASETS),@python -m pipeline use $(DATASETS))
	@python -m pipeline mend
	dvc repro
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

ui: $(READY)  ## Open MLflow on this machine
	python -m pipeline ui

clean:  ## Remove checkpoints, live histories and partial downloads (not data, not results)
	rm -rf .work
