# make up · make test · make bench · make lint · make down, and the opt-in tiers. No command is needed before any of them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Where bytecode is not written, as in many images, each of the hundreds of processes that the tests start compiles anew.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

TORCH_VENV := .venv-torch
TORCH      := $(TORCH_VENV)/.ready

LOWEST_VENV := .venv-lowest
LOWEST      := $(LOWEST_VENV)/.ready

# Libraries that hold others back (protobuf, rich), and so are not installed beside the rest.
EXTRAS_VENV := .venv-extras
EXTRAS_READY := $(EXTRAS_VENV)/.ready

.PHONY: help setup tools up down test test-long test-torch test-cluster test-live test-lowest test-extras test-languages lint docs bench schema lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

setup: $(READY) ## only set up the environment

# Each tier also builds what it lacks; this target builds everything beforehand, or while something else runs.
tools: $(READY) ## only build the programs that the tests need, into the shared cache
	$(BIN)/python tests/support/build_tools.py

up: $(READY) ## package a real model, deploy it on this machine, invoke it, print the figures
	$(BIN)/scaletozero package models/paraphrase-minilm.yaml
	$(BIN)/scaletozero up -e local
	source .scaletozero/aws.env && $(BIN)/python examples/sentences.py
	$(BIN)/python examples/customers.py
	$(BIN)/scaletozero costs -e local
	@echo "next: $(BIN)/scaletozero dashboard    shows it live while calls come in"

down: $(READY) ## delete the local environment
	$(BIN)/scaletozero down -e local

test: $(READY) ## run the default tests: unit, contracts, packaging, engine
	$(BIN)/scaletozero package models/paraphrase-minilm.yaml
	$(BIN)/pytest -n 3 -m "not long" --durations=20 tests/unit tests/contracts tests/packaging tests/engine

test-long: $(READY) $(EXTRAS_READY) ## opt in: scaling and schedules on the engine, load, simulation, faults at further moments, further models
	$(BIN)/pytest -n 2 -m long tests/engine tests/packaging
	$(EXTRAS_VENV)/bin/pytest -m long tests/extras

test-torch: $(TORCH) ## opt in: export real models through torch (several GB are installed)
	$(TORCH_VENV)/bin/pytest tests/torch

test-cluster: $(READY) ## opt in: a real Kubernetes API server, built once if no test cluster is given
	$(BIN)/pytest -n 2 tests/cluster

# More than there are cores: its tests mostly wait for one cluster, which they share.
test-live: $(READY) ## opt in: real scheduler, KEDA and Karpenter with simulated nodes, built once
	$(BIN)/pytest -n 5 --dist worksteal tests/live

# The tables of resources and of what sends data out are of the locked SDKs, and are held to them alone.
LOCKED := --ignore tests/unit/sandbox/providers/test_table.py --ignore tests/unit/residency/test_catalogue.py \
	--deselect tests/unit/residency/test_guard.py::test_every_denied_action_is_one
test-lowest: $(LOWEST) ## opt in: the default tests with the oldest supported release of every library
	$(LOWEST_VENV)/bin/pytest -n 3 -m "not long" tests/unit tests/contracts tests/packaging $(LOCKED)

test-extras: $(EXTRAS_READY) ## opt in: the policy pack's SDK and SageMaker's own SDK (the extras policy and sagemaker)
	$(EXTRAS_VENV)/bin/pytest -m "not long" tests/extras

docs: $(READY) ## build the documentation into site/; a broken link or anchor fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean
	@echo "site/index.html"

test-languages: $(READY) ## opt in: TypeScript types generated; the example compiled and deployed (with Go and npm)
	$(BIN)/pytest tests/languages

lint: $(READY) ## ruff, the import contracts and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: $(READY) $(TORCH) ## the figures of docs/benchmarks, measured here (installs torch, to compare with it)
	$(BIN)/python models/inputs.py
	$(BIN)/python benchmarks/artifacts.py
	$(BIN)/python benchmarks/preview.py
	$(BIN)/python benchmarks/estimate.py
	$(BIN)/python benchmarks/gateway.py

schema: $(READY) ## regenerate the committed schemas: the plugin's and the manifests'
	$(BIN)/python -m scaletozero.plugin > components/schema.json
	$(BIN)/python -m model_packaging.artifact.manifest > model_packaging/artifact/manifest.schema.json
	$(BIN)/python -m model_packaging.artifact.folder_manifest > model_packaging/artifact/folder_manifest.schema.json

lock: $(READY) ## resolve the dependencies again
	$(RESOLVE) $(EXTRAS) -o requirements.lock
	$(RESOLVE) $(EXTRAS) --resolution lowest-direct -o lowest.lock
	echo 'onnxruntime' | $(RESOLVE) - --extra policy --extra sagemaker --extra sandbox --extra dev -o extras.lock
	echo 'compressed-tensors>=0.18' | $(RESOLVE) - --extra packaging --extra torch --extra dev -o torch.lock

EXTRAS  := $(foreach extra,packaging sandbox sign prices gateway dashboard grafana parquet docs browser dev,--extra $(extra))
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
	@$(BIN)/python -c 'import numpy, onnxruntime, tokenizers, moto.server, scaletozero.cli'
	@touch $@

$(TORCH): torch.lock models.lock tools.lock pyproject.toml
	$(call environment,$(TORCH_VENV),torch.lock)
	@touch $@

$(EXTRAS_READY): extras.lock models.lock tools.lock pyproject.toml
	$(call environment,$(EXTRAS_VENV),extras.lock)
	@touch $@

$(LOWEST): lowest.lock models.lock tools.lock pyproject.toml
	$(call environment,$(LOWEST_VENV),lowest.lock)
	@touch $@
