# Every target may be run again at any time; an interrupted one carries on where it stopped.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo up down status test test-slow test-faults check format bench bench-peers lock clean install install-dev

# The first Python that Airflow supports, unless one is named: make demo PYTHON=python3.12
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && echo "$$p" && break; done)
endif
PORT ?=
WORKERS ?= 2
TESTS ?=

VENV := .venv/bin/python
AIRFLOW := $(VENV) -m tools.local_airflow
ON_PORT = $(if $(PORT),--port $(PORT))

help: ## Shows this list
	@echo "make demo         installs, starts Airflow, ingests real documents, answers a question"
	@echo "make test         installs the development tools and runs the tests"
	@echo ""
	@echo "make up           starts Airflow for your own documents (data/inbox, or see .env.example)"
	@echo "make down         stops Airflow, whoever started it"
	@echo "make status       says what runs"
	@echo ""
	@echo "make check        format, lint, types, layers        make format     applies the first two"
	@echo "make test-slow    the tests that take minutes        make bench      the benchmarks"
	@echo "make test-faults  kills a sync at 100 random moments, and more of the kind (10 minutes)"
	@echo "make lock         writes constraints.txt from .venv  make clean      removes the demo and the"
	@echo "                                                                     local Airflow, no documents"
	@echo ""
	@echo "PORT=8081 puts Airflow on another port; PYTHON=python3.12 chooses the Python for .venv;"
	@echo "TORCH_BUILD=cpu|default chooses PyTorch's build; TESTS=tests/x.py runs some of the tests."

demo: install ## The whole story in one command
	@$(VENV) -m tools.demo $(ON_PORT)

up: install
	@$(AIRFLOW) up $(ON_PORT)

down:
	@if [ -x $(VENV) ]; then $(AIRFLOW) down; else echo "No local Airflow is running."; fi

status:
	@if [ -x $(VENV) ]; then $(AIRFLOW) status; else echo "No local Airflow is running."; fi

test: install-dev
	@$(VENV) -m pytest -n $(WORKERS) --dist loadfile -q -m "not slow and not faults" $(or $(TESTS),tests)

test-slow: install-dev
	@$(VENV) -m pytest -q --timeout 3600 -m slow $(or $(TESTS),tests)

test-faults: install-dev
	@$(VENV) -m pytest -q -s --timeout 3600 -m faults $(or $(TESTS),tests/faults)

check: install-dev
	@$(VENV) -m ruff format --check .
	@$(VENV) -m ruff check .
	@$(VENV) -m mypy
	@.venv/bin/lint-imports --no-cache --no-logo

format: install-dev
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check --fix .

bench: install-dev
	@$(VENV) -m tests.benchmarks.bench_sync quick model

bench-peers: install-dev
	@$(VENV) -m tests.benchmarks.bench_peers

lock:
	@$(VENV) -m tools.lock

clean: down
	@rm -rf .airflow .demo .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@echo "Removed the demo and the local Airflow. Kept: data/, .env, .venv"

install: python
	@$(PYTHON) -m tools.install

install-dev: python
	@$(PYTHON) -m tools.install --dev

.PHONY: python
python:
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { echo "Python 3.11 to 3.14 is needed, $(if $(PYTHON),and $(PYTHON) is not one,but there is none here): install one, or name it with PYTHON=/path/to/python3.12." >&2; exit 1; }
