# `make` lists what there is. Everything is installed below this directory: .venv, build,
# node_modules.

PYTHON ?= python3
PY := .venv/bin/python
STAMPS := build/stamps
PIP := $(PY) -m pip install -q --disable-pip-version-check --require-hashes
UV := $(PY) -m uv pip install -q --python $(PY) --require-hashes

export PATH := $(CURDIR)/build/tools/bin:$(PATH)

# What `make demo` plays: recordings, or simulated cars.
REPLAY ?=
DEVICES ?=
SPEEDUP ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo test check bench soak dashboards clean stamps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/prerequisites ## install what is missing and build; does nothing when all is there
	@$(MAKE) --no-print-directory --output-sync=target -j4 stamps
	@$(MAKE) --no-print-directory build

# What is installed, each in a directory of its own, so that they may run at once.
stamps: $(STAMPS)/python $(STAMPS)/kafka $(STAMPS)/node $(STAMPS)/tools build/kafka/classes.jsa
	@:

$(STAMPS)/prerequisites: deploy/prerequisites.sh
	@deploy/prerequisites.sh $(PYTHON)
	@mkdir -p $(@D) && touch $@

$(PY):
	@$(PYTHON) -m venv .venv

$(STAMPS)/python: requirements.lock requirements-local.lock requirements-installer.lock pyproject.toml | $(PY)
	@echo "Python packages into .venv"
	@$(PIP) -r requirements-installer.lock
	@for install in "$(UV)" "$(PIP)"; do \
		$$install -r requirements.lock && $$install --no-deps -r requirements-local.lock && exit; \
		echo "again, with pip (uv does not read pip's own settings)"; \
	done; exit 1
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps -e .
	@mkdir -p $(@D) && touch $@

$(STAMPS)/kafka: deploy/kafka/pom.xml
	@echo "Kafka's jars into build/kafka"
	@rm -rf build/kafka
	@mvn -B -q -C -Dstyle.color=never -f $< dependency:copy-dependencies
	@mkdir -p $(@D) && touch $@

$(STAMPS)/node: package.json package-lock.json .npmrc
	@echo "Node.js packages into node_modules"
	@npm ci --no-progress --loglevel=error
	@mkdir -p $(@D) && touch $@

# A broker to test with and Prometheus, where Debian's packages are to be had; not necessary.
$(STAMPS)/tools: deploy/debian_tools.sh
	@deploy/debian_tools.sh $(CURDIR)/build/tools
	@mkdir -p $(@D) && touch $@

# For pictures only: Grafana's components, and a browser for them.
$(STAMPS)/drawing: grafana/drawing/package-lock.json
	@echo "Node.js packages into grafana/drawing/node_modules"
	@npm ci --prefix $(<D) --ignore-scripts --no-progress --loglevel=error
	@mkdir -p $(@D) && touch $@

# For benchmarks only: a Python of its own, as what it pins is not what the node runs on.
$(STAMPS)/quix: requirements-quix.lock | $(STAMPS)/python
	@echo "Quix Streams into build/quix"
	@rm -rf build/quix
	@$(PY) -m venv build/quix
	@$(PY) -m uv pip install -q --python build/quix/bin/python --require-hashes -r $< || { \
		echo "again, with pip (uv does not read pip's own settings)"; \
		build/quix/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<; }
	@mkdir -p $(@D) && touch $@

# Kafka starts in half the time with its classes archived (see topologies/components/kafka.py).
build/kafka/classes.jsa: $(STAMPS)/kafka $(STAMPS)/python
	@$(PY) -c "from topologies.components import kafka; kafka.archive_classes()"

build: ## compile the driver, the encoder and the programs to wasm, where they are out of date
	@$(PY) -m streams.execution.driver.build
	@$(PY) -m streams.database.encoder.build
	@$(PY) -m wasm_programs.build

demo: setup ## a node with a fleet of cars, counted to the last message [REPLAY=FILE… DEVICES=N SPEEDUP=X]
	@$(PY) -m topologies demo $(if $(REPLAY),--replay $(REPLAY)) \
		$(if $(DEVICES),--devices $(DEVICES)) $(if $(SPEEDUP),--speedup $(SPEEDUP))

test: setup ## all tests, on real components [ARGS=…]
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

check: setup ## style, types and the fast tests
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q -m "not slow and not services"

bench: setup $(STAMPS)/quix ## speed, each figure beside its baseline [JSON=FILE]
	@$(PY) -m tests.benchmarks $(if $(JSON),--json $(JSON))

soak: setup ## faults under load for [MINUTES=N], 10,000 generated programs, 100 Dapps, 50,000,000 rows
	@$(PY) -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))
	@$(PY) -m tests.soak_modules
	@$(PY) -m tests.many_dapps
	@$(PY) -m tests.benchmarks --only analysts --rows 50000000

dashboards: setup $(STAMPS)/drawing ## a picture of each dashboard of a node with a fleet, into docs/images
	@$(PY) -m tests.grafana.drawing

clean: ## remove everything that setup and build made
	rm -rf .venv build node_modules grafana/drawing/node_modules wasm_programs/*/build .pytest_cache .mypy_cache .ruff_cache
	find streams wasm_programs -name '*.wasm' -delete
