# make up · make test · make bench · make lint · make down, and the opt-in tiers. No command is needed before any of them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

TORCH_VENV := .venv-torch
TORCH      := $(TORCH_VENV)/.ready

LOWEST_VENV := .venv-lowest
LOWEST      := $(LOWEST_VENV)/.ready

.PHONY: help setup up down test test-long test-torch test-cluster test-live test-lowest lint bench schema lock

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

setup: $(READY) ## only set everything up

up: $(READY) ## package a real model, deploy it on this machine, ask it, show the figures
	$(BIN)/scaletozero package models/paraphrase-minilm.yaml
	$(BIN)/scaletozero up -e local
	source .scaletozero/aws.env && $(BIN)/python examples/sentences.py

down: $(READY) ## take the local environment away
	$(BIN)/scaletozero down -e local

test: $(READY) ## the default tests: unit, contracts, packaging, engine
	$(BIN)/scaletozero package models/paraphrase-minilm.yaml
	$(BIN)/pytest -n 3 -m "not long" tests/unit tests/contracts tests/packaging tests/engine

test-long: $(READY) ## opt in: scaling and schedules on the engine, load, simulation, faults at further moments, further models
	$(BIN)/pytest -n 2 -m long tests/engine tests/packaging

test-torch: $(TORCH) ## opt in: export real models through torch (several GB are installed)
	$(TORCH_VENV)/bin/pytest tests/torch

test-cluster: $(READY) ## opt in: a real Kubernetes API server, built here once if there is no cluster
	$(BIN)/pytest tests/cluster

test-live: $(READY) ## opt in: real scheduler, KEDA and Karpenter over simulated nodes, built here once
	$(BIN)/pytest tests/live

# The table of resources is of the locked SDK, and is held to it alone.
test-lowest: $(LOWEST) ## opt in: the oldest release that is allowed of every library
	$(LOWEST_VENV)/bin/pytest -n 3 -m "not long" tests/unit tests/contracts tests/packaging --ignore tests/unit/sandbox/test_table.py

lint: $(READY) ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(READY) $(TORCH) ## the figures of the README, measured here (installs torch, to compare with it)
	$(BIN)/python models/inputs.py
	$(BIN)/python benchmarks/artifacts.py
	$(BIN)/python benchmarks/preview.py

schema: $(READY) ## write the generated files anew: the plugin's schema, the manifests'
	$(BIN)/python -m scaletozero.plugin > components/schema.json
	$(BIN)/python -m model_packaging.artifact.manifest > model_packaging/artifact/manifest.schema.json
	$(BIN)/python -m model_packaging.artifact.folder_manifest > model_packaging/artifact/folder_manifest.schema.json

lock: $(READY) ## resolve the dependencies anew
	$(RESOLVE) $(EXTRAS) -o requirements.lock
	$(RESOLVE) $(EXTRAS) --resolution lowest-direct -o lowest.lock
	echo 'compressed-tensors>=0.18' | $(RESOLVE) - --extra packaging --extra torch --extra dev -o torch.lock

EXTRAS  := $(foreach extra,packaging sandbox sign dev,--extra $(extra))
RESOLVE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate -q

# uv where it installs from this machine's index, pip (which may be configured for another one) where it does not.
define install # venv, arguments
VIRTUAL_ENV=$(1) $(1)/bin/uv pip install -q --require-hashes $(2) || $(1)/bin/pip install -q --require-hashes $(2)
endef

define environment # venv, lock
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
@echo "setting up $(1)"
@$(PYTHON) -m venv --clear $(1)
@$(1)/bin/pip install -q --disable-pip-version-check --require-hashes -r tools.lock
@$(call install,$(1),-r $(2))
@$(call install,$(1),--no-deps -r models.lock)
@$(1)/bin/pip install -q --no-build-isolation --no-deps -e .
endef

# Importing once writes the bytecode, which a first cold start would otherwise have to compile.
$(READY): requirements.lock models.lock tools.lock pyproject.toml
	$(call environment,$(VENV),requirements.lock)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import numpy, onnxruntime, tokenizers, moto.server, scaletozero.cli'
	@touch $@

$(TORCH): torch.lock models.lock tools.lock pyproject.toml
	$(call environment,$(TORCH_VENV),torch.lock)
	@touch $@

$(LOWEST): lowest.lock models.lock tools.lock pyproject.toml
	$(call environment,$(LOWEST_VENV),lowest.lock)
	@touch $@
