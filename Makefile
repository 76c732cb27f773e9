# From a fresh clone, without root. Everything goes into .venv and build.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What is played, where the lab listens, how much it holds: make demo SCENARIO=failover SCALE=50000 BASE_PORT=25000
# AIRFLOW_PORT=8090. Scenarios: return-to-normal, option-2, setup, switchover, failover, active-active, full-circle.
SCALE ?= 5000
RATE ?= 50
SCENARIO ?= return-to-normal
# What make up begins with: return-to-normal, active-standby or active-active.
LAB_SCENARIO ?= return-to-normal
BASE_PORT ?= 21000
AIRFLOW_PORT ?= 8080
# Files of tests at a time. Labs wait more than they compute: more than there are processors.
WORKERS ?= 4
# Seconds of a slice of the slow tests; SLICE=1 to 7 chooses one, else it is that of the day of the month.
BUDGET ?= 1500
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)/lab
LAB := $(BIN)/python -m infomart_lab
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations=15

.PHONY: help setup lint test test-slice test-all hooks documents demo up down bench clean

help: ## Show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## */\1|/' | \
		while IFS='|' read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.installed ## Make .venv and install everything into it

$(VENV)/.installed: pyproject.toml constraints/constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh

lint: setup ## ruff, ruff format, mypy, codespell
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell .

test: setup ## Unit, integration and system tests, without the slow ones
	@$(PYTEST) -m "not slow" tests

test-slice: setup ## The day's seventh of the slow tests; SLICE=1 to 7 chooses, BUDGET limits the seconds
	@$(BIN)/python scripts/test_slice.py --budget $(BUDGET)

test-all: setup ## All tests, the slow ones too
	@$(PYTEST) tests

hooks: setup ## Let git check each commit, by .pre-commit-config.yaml
	@$(BIN)/pre-commit install

documents: setup ## Make docs/guide-coverage.md and docs/api anew from the DAG files
	@$(BIN)/python scripts/documents.py

demo: setup ## Play a scenario in a fresh lab with an Airflow: SCENARIO=failover SCALE=50000 BASE_PORT=25000
	@$(BIN)/python -m infomart_lab.demo --scenario $(SCENARIO) --home build/demo/lab --scale $(SCALE) --rate $(RATE) \
		--base-port $(BASE_PORT) --airflow-port $(AIRFLOW_PORT) --report build/demo/report.json

up: setup ## Start a lab with an Airflow, and leave it running
	@$(LAB) up --home build/lab --scenario $(LAB_SCENARIO) --scale $(SCALE) --rate $(RATE) --base-port $(BASE_PORT) \
		--airflow --airflow-port $(AIRFLOW_PORT)

down: setup ## End that lab
	@if [ -f build/lab/lab.json ]; then $(LAB) down --home build/lab; else echo "no lab under build/lab"; fi

bench: setup ## Measure how long the DAG files take to parse
	@$(BIN)/python bench/parse_time.py

clean: down ## End the lab and remove build
	rm -rf build
