# make demo, make test: from a fresh clone, without root. Everything goes into .venv and build.
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
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)/lab
LAB := $(BIN)/python -m infomart_lab

.PHONY: demo test test-all lint documents up down setup clean bench

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints/constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh

demo: setup
	@$(BIN)/python -m infomart_lab.demo --scenario $(SCENARIO) --home build/demo/lab --scale $(SCALE) --rate $(RATE) \
		--base-port $(BASE_PORT) --airflow-port $(AIRFLOW_PORT) --report build/demo/report.json

# Two files at a time; each file of tests/system has a whole lab with ports of its own.
test: setup
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile tests/unit tests/integration
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --durations=15 tests/system

test-all: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/integration
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/system

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# What is made of the DAG files: docs/guide-coverage.md, docs/api.
documents: setup
	@$(BIN)/python scripts/documents.py

up: setup
	@$(LAB) up --home build/lab --scenario $(LAB_SCENARIO) --scale $(SCALE) --rate $(RATE) --base-port $(BASE_PORT) \
		--airflow --airflow-port $(AIRFLOW_PORT)

down: setup
	@if [ -f build/lab/lab.json ]; then $(LAB) down --home build/lab; else echo "no lab under build/lab"; fi

bench: setup
	@$(BIN)/python bench/parse_time.py

clean: down
	rm -rf build
