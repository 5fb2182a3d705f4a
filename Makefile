# Everything this project does, by name. `make` alone lists it.

# A caller may forbid bytecode; the project starts a third faster with it.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tools that look each other up (the generator calls ruff) find those of the lock.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
GENERATED ?= generated
REPORTS ?= reports/contract
SPECS := specs/pristo.json specs/retainful.yaml
NODE := tests/browser
TARGET ?= mock
API ?= both
PROFILE ?= ci
PORT ?= 8025
# The switches of `make contract` reach it whether they were given to make or exported before.
export TARGET API PROFILE REPORTS
ifdef SEED
export SEED
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo generate check-generated lint lint-specs types test contract mock bench build clean lock

help: ## list what can be made, one line each
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(VENV)/.ready ## make .venv from the lock (needs python3 3.11+ alone; quick when nothing changed)

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: no '$(PYTHON)' on PATH; install Python 3.11 or later, or name one: make setup PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: $$($(PYTHON) --version) is too old; Python 3.11 or later is needed: make setup PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "setup: this Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@echo "setup: installing the locked packages into $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

lock: setup ## write requirements.lock anew from pyproject.toml (hashes, no addresses)
	@$(PY) -m uv pip compile pyproject.toml --quiet --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --upgrade -o requirements.lock

generate: setup ## write generated/ anew from specs/
	@rm -rf $(GENERATED)
	@set -e; for spec in $(SPECS); do \
	  name=$$(basename $${spec%.*}); package=$(GENERATED)/$${name}_client; \
	  mkdir -p $(GENERATED); \
	  openapi-python-client generate --path $$spec --meta none --output-path $$package --config specs/generator.yaml \
	    --custom-template-path specs/templates --fail-on-warning >/dev/null || { \
	    echo "generate: the generator refused $$spec; its own words follow"; rm -rf $$package; \
	    openapi-python-client generate --path $$spec --meta none --output-path $$package --config specs/generator.yaml \
	      --custom-template-path specs/templates --fail-on-warning; exit 1; }; \
	  $(PY) -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout, indent=1, ensure_ascii=False); print()' \
	    < $$spec > $$package/openapi.json; \
	done

check-generated: setup ## fail, naming each difference, unless generated/ is what specs/ give (changes nothing)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(MAKE) --no-print-directory generate GENERATED="$$scratch/generated" && \
	if diff -rq -x __pycache__ generated "$$scratch/generated" > "$$scratch/differences"; then \
	  echo "check-generated: generated/ is what specs/ give"; \
	else \
	  sed -e "s|$$scratch/generated|what specs/ give|g" "$$scratch/differences"; \
	  echo "check-generated: generated/ is not what specs/ give; run make generate"; exit 1; \
	fi
