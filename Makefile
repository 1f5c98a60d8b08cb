# Commands for a fresh checkout; run `make` to list them.

VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# The first interpreter that is new enough and can create virtual environments; preflight reports if there is none.
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; \
	done),python3)
INPUTS := pyproject.toml constraints.txt
# Two processes, each with its own Spark session: a single one waits half of the time.
PYTEST := $(VENV)/bin/python -m pytest -n 2 --dist loadfile
EXPERIMENTS := convergence regularization rank early-stopping landscape generalization-gap update-paths adam-vs-momentum implicit nonnegative

# The image's user writes to out/, so it has your user id; for root it has the default, 1000.
USER_ID ?= $(or $(filter-out 0,$(shell id -u)),1000)
cluster-%: export USER_ID := $(USER_ID)
COMPOSE = $(if $(shell docker compose version 2>/dev/null),docker compose,docker-compose)
.PHONY: cluster-up cluster-demo cluster-down cluster-test cluster-folder

.DEFAULT_GOAL := help
.PHONY: help demo textbook test test-all lint bench bench-objectives bench-env bench-kernels bench-ratings scalability experiments constraints clean preflight

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: preflight $(VENV)/installed-jobs ## Compare with pyspark's ALS, output in out/demo; RATINGS=path for your own ratings, ARGS=… for options
	$(VENV)/bin/python jobs/compare.py $(if $(RATINGS),"$(RATINGS)") --output out/demo --overwrite $(ARGS)

test: preflight $(VENV)/installed-test ## Run the tests except the slow ones
	$(PYTEST) $(ARGS)

test-all: preflight $(VENV)/installed-test ## Run all tests; the slow ones take minutes
	$(PYTEST) -m "slow or not slow" $(ARGS)

lint: $(VENV)/installed-lint ## Check style, formatting and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: preflight $(VENV)/installed-jobs ## Compare speed with pyspark's ALS on 1 and 20 million generated ratings, output in out/bench… (takes a while)
	$(VENV)/bin/python jobs/bench.py --output out/bench-million --config conf/bench_million.toml $(ARGS)
	$(VENV)/bin/python jobs/bench.py --output out/bench $(ARGS)

bench-objectives: preflight $(VENV)/installed-jobs $(VENV)-bench/installed ## Compare implicit feedback with pyspark's ALS and other libraries, and solvers at rank 512, output in out/bench (takes hours)
	$(VENV)/bin/python jobs/bench.py --output out/bench --config conf/bench_objectives.toml $(ARGS)

bench-env: $(VENV)-bench/installed ## Install the libraries that bench-objectives compares with, in an environment of their own

bench-kernels: preflight $(VENV)/installed-jobs ## Measure the kernels of SGD, output in out/bench-kernels
	$(VENV)/bin/python jobs/bench_kernels.py --output out/bench-kernels --overwrite $(ARGS)

bench-ratings: preflight $(VENV)/installed-jobs ## Measure generating, checking and partitioning 1 to 100 million ratings, output in out/bench-ratings
	$(VENV)/bin/python jobs/bench_ratings.py --output out/bench-ratings --overwrite $(ARGS)

scalability: preflight $(VENV)/installed-jobs ## Measure how fits scale with cores, ratings, rank and blocks, output in out/scalability (takes a while)
	$(VENV)/bin/python jobs/scalability.py --output out/scalability $(ARGS)

cluster-up: cluster-folder ## Build the image and start a cluster of a master, two workers and a history server; sizes in .env.example
	$(COMPOSE) up --build --detach

cluster-demo: cluster-up ## Compare with pyspark's ALS on the cluster, output in out/cluster-demo; ARGS=… for options
	$(COMPOSE) run --rm -T submit jobs/compare.py --output out/cluster-demo --overwrite $(ARGS)

cluster-down: ## Stop the cluster; event logs are kept
	$(COMPOSE) down

cluster-test: $(VENV)/installed-test ## Test a separate cluster, from building the image to killing workers
	$(VENV)/bin/python -m pytest -m slow -rs tests/cluster $(ARGS)

cluster-folder:
	@mkdir -p out/cluster-demo
	@test "$$(id -u)" -ne 0 || chown $(USER_ID) out/cluster-demo

textbook: preflight $(VENV)/installed-jobs ## Reproduce the published numbers in NumPy and on Spark, output in out/textbook
	$(VENV)/bin/python jobs/textbook.py --output out/textbook --overwrite $(ARGS)

experiments: preflight $(VENV)/installed-jobs ## Run the ten studies, output in out/experiments/NAME; ARGS=… for options
	for name in $(EXPERIMENTS); do \
		$(VENV)/bin/python jobs/experiments.py $$name --output out/experiments/$$name --overwrite $(ARGS) || exit 1; \
	done

constraints: ## Update constraints.txt to the newest releases that pyproject.toml allows
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/python -m pip install --quiet --disable-pip-version-check ".[jobs,test,lint]"
	sed -n '/^#/p' constraints.txt > constraints.new
	$(VENV)-constraints/bin/python -m pip freeze --exclude spark_mf >> constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-constraints

clean: ## Delete the environment, caches and all output
	rm -rf $(VENV) $(VENV)-bench out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
	find spark_mf jobs tests -name __pycache__ -type d -prune -exec rm -rf {} +

preflight:
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON must be Python 3.11 or newer, got $(PYTHON), which is not on PATH." \
		"Install it, or select an installed one with \`make PYTHON=/path/to/python3\`." >&2; exit 1; }
	@$(PYTHON) spark_mf/cli/preflight.py

# Stamp files record which extras are installed for the current dependencies; sources are used in place.
$(VENV)/installed-%: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing into $(VENV) (the first time this downloads several hundred MB)"
	$(PIP) -c constraints.txt -e ".[$*]"
	@touch $@

# Libraries that are never dependencies of spark_mf, and whose dependencies must not change its environment.
$(VENV)-bench/installed: constraints-bench.txt | preflight
	$(PYTHON) -m venv --clear $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-bench.txt implicit irspack
	@touch $@

$(VENV)/bin/python: | preflight
	$(PYTHON) -m venv $(VENV)
