# Everything this project does, by name. `make` alone lists it.

# A caller may forbid bytecode; the project starts a third faster with it.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tools that look each other up (the generator calls ruff) find those of the lock.
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

PYTHON ?= python3
PY := $(VENV)/bin/python
GENERATED ?= generated
SPECS := specs/pristo.json specs/retainful.yaml
NODE := tests/browser
PORT ?= 8025

.DEFAULT_GOAL := help
SHELL := bash
.PHONY: help setup demo generate changes update-spec check-generated lint lint-specs types test test-browser contract mutants soak mock bench bench-peers build clean lock node-setup

help: ## list what can be made, one line each
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(VENV)/.ready ## make .venv from the lock (needs python3 3.11+ alone; quick when nothing changed)

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: no '$(PYTHON)' on PATH; install Python 3.11 or later, or name one: make setup PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: $$($(PYTHON) --version) is too old; Python 3.11 or later is needed: make setup PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "setup: this Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	@echo "setup: installing the locked packages into $(VENV)"
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -qq --require-hashes -r requirements.lock
	@$(PY) -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

lock: setup ## write requirements.lock anew from pyproject.toml (hashes, no addresses)
	@$(PY) -m uv pip compile pyproject.toml --quiet --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --upgrade -o requirements.lock

generate: setup ## write generated/ anew from specs/, and report what a changed document breaks
	@GENERATED="$(GENERATED)" $(PY) -m tests.changes.generate $(SPECS)

changes: setup ## what a document changes: FROM=revision|file TO=... API=... FORMAT=text|markdown|json|html FAIL_ON=breaking SURFACE=1
	@$(PY) -m tests.changes

update-spec: setup ## take over a vendor's page or document: API=pristo FILE=... (shows the changes and asks; YES=1 does not)
	@$(PY) -m tests.changes.update_spec

check-generated: setup ## fail, naming each difference, unless generated/ is what specs/ give (changes nothing)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(MAKE) --no-print-directory generate GENERATED="$$scratch/generated" && \
	if diff -rq -x __pycache__ generated "$$scratch/generated" > "$$scratch/differences"; then \
	  echo "check-generated: generated/ is what specs/ give"; \
	else \
	  sed -e "s|$$scratch/generated|what specs/ give|g" "$$scratch/differences"; \
	  echo "check-generated: generated/ is not what specs/ give; run make generate"; exit 1; \
	fi

demo: setup check-generated ## the whole in a minute: a file of contacts through both clients, then the contract suite
	@$(PY) -m tests.demo

test: setup ## the tests (no Node, no browser); TESTS=tests/client for a part
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q $(TESTS)

lint: setup ## ruff and the import rules
	@ruff check contrib tests hatch_build.py
	@ruff format --check --quiet contrib tests hatch_build.py || { echo "lint: run .venv/bin/ruff format contrib tests"; exit 1; }
	@lint-imports --no-cache | tail -n 6

types: setup node-setup ## mypy strict on everything, pyright strict on contrib (needs Node)
	@mypy
	@$(NODE)/node_modules/.bin/pyright -p .

lint-specs: setup node-setup ## lint both OpenAPI documents (needs Node)
	@$(PY) -m openapi_spec_validator $(SPECS)
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE)/node_modules/.bin/redocly lint --config specs/redocly.yaml --format github-actions

contract: setup ## run the contract suite: TARGET=mock|live API=pristo|retainful|both PROFILE=quick|ci|deep SEED=N FAILFAST=1 (README)
	@$(PY) -m tests.contract

mutants: setup ## the proof that the suite bites: it against every mutant and variant (ONLY=NAME API=... SEED=N LIMITS=live); reports/mutants
	@$(PY) -m tests.mutants

soak: setup ## the long ones: 200,000 calls amid forks, cancellations and signals, 200 killed imports, 10,000 damaged inputs, all mutants with three seeds, the contract suite ten times
	@IMPORT_KILLS=200 IMPORT_ROWS=5000 $(PY) -m pytest -n 2 -q tests/importing/test_kill.py
	@IMPORT_SIGNALS=2000 $(PY) -m pytest -n 2 -q tests/importing/test_signals.py
	@IMPORT_PROCESSES=500 $(PY) -m pytest -q tests/importing/test_real_histories.py
	@IMPORT_ROUNDS=10000 $(PY) -m pytest -n 2 -q tests/importing/test_differential.py
	@IMPORT_INPUTS=5000 $(PY) -m pytest -n 2 -q tests/importing/test_inputs.py
	@HOSTILE_SIZES=1 $(PY) -m pytest -q tests/client/test_memory.py
	@SOAK=10 SOAK_CALLS=200000 SOAK_SECONDS=7200 $(PY) -m pytest -n 2 -q tests/client/test_processes.py
	@for seed in 1 2 3; do SEED=$$seed $(PY) -m tests.mutants || exit 1; done
	@CONTRACT_REPRODUCERS=all $(PY) -m pytest -n 2 -q tests/mutants/test_reproducers.py
	@CONTRACT_ENVIRONMENTS=1 $(PY) -m pytest -n 2 -q tests/test_contract_environment.py
	@CHANGES_ROUNDS=500 $(PY) -m pytest -n 2 -q tests/test_changes_proven.py
	@BUDGET_SEEDS=20 BUDGET_PROFILES=quick,ci,deep $(PY) -m pytest -n 2 -q tests/test_contract_budget.py
	@for run in 1 2 3 4 5 6 7 8 9 10; do PROFILE=ci $(PY) -m tests.contract | tail -n 1 && [ $${PIPESTATUS[0]} = 0 ] || exit 1; done

mock: setup ## serve both APIs on loopback, in memory: PORT=8025
	@contact-apis mock --port $(PORT)

bench: setup ## what things cost, beside what they are compared with, as ratios (needs wrk; PAIRS=N SIZES=1000,10000 BASE=another checkout)
	@$(PY) -m tests.bench.mock
	@$(PY) -m tests.bench.wrappers
	@[ -z "$(BASE)" ] || BASE="$(BASE)" $(PY) -m tests.bench.trees
	@$(PY) -m tests.bench.imports
	@$(PY) -m tests.bench.curves

bench-peers: setup ## plain `st run` on the same mutants, side by side (after make mutants)
	@$(PY) -m tests.bench.peers

build: setup ## wheel and sdist into dist/
	@$(PY) -m hatchling build

clean: ## remove everything that make made, .venv included
	@rm -rf $(VENV) dist reports .hypothesis .mypy_cache .ruff_cache .pytest_cache .coverage $(NODE)/node_modules
	@find contrib generated tests -name __pycache__ -type d -prune -exec rm -rf {} +

node-setup: $(NODE)/node_modules/.ready

$(NODE)/node_modules/.ready: $(NODE)/package-lock.json
	@command -v npm >/dev/null || { echo "this target needs Node 20 or later with npm; on Debian and Ubuntu: apt-get install nodejs npm"; exit 2; }
	@npm ci --prefix $(NODE) --no-fund --no-audit --loglevel=error
	@touch $@

test-browser: setup node-setup ## the pages in a real browser (needs Node and Chromium); screenshots in reports/browser
	@mkdir -p reports/browser
	@PYTHON=$(CURDIR)/$(PY) node --test --test-reporter=spec $(NODE)/pages.test.js
