# One command from a fresh checkout to a result: run `make` for what there is.

VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# The first interpreter that is new enough and can make virtual environments; preflight explains when none is.
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; \
	done),python3)
INPUTS := pyproject.toml constraints.txt
# Two processes, each with a Spark session of its own: one alone waits half of the time.
PYTEST := $(VENV)/bin/python -m pytest -n 2 --dist loadfile
EXPERIMENTS := convergence regularization rank early-stopping landscape generalization-gap update-paths adam-vs-momentum

# The image's user writes to out/, so it has your number; root's would be no ordinary user's.
USER_ID ?= $(or $(filter-out 0,$(shell id -u)),1000)
cluster-%: export USER_ID := $(USER_ID)
COMPOSE = $(if $(shell docker compose version 2>/dev/null),docker compose,docker-compose)
.PHONY: cluster-up cluster-demo cluster-down cluster-test cluster-folder

.DEFAULT_GOAL := help
.PHONY: help demo textbook test test-all lint bench bench-kernels bench-ratings scalability experiments constraints clean preflight

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: preflight $(VENV)/installed-jobs ## Compare with pyspark's ALS into out/demo; RATINGS=path for your own ratings, ARGS=… for more options
	$(VENV)/bin/python jobs/compare.py $(if $(RATINGS),"$(RATINGS)") --output out/demo --overwrite $(ARGS)

test: preflight $(VENV)/installed-test ## Run the tests
	$(PYTEST) $(ARGS)

test-all: preflight $(VENV)/installed-test ## Run the tests and those that take minutes
	$(PYTEST) -m "slow or not slow" $(ARGS)

lint: $(VENV)/installed-lint ## Check style, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: preflight $(VENV)/installed-jobs ## Measure against pyspark's ALS on 1 and 20 million generated ratings into out/bench… (takes a while)
	$(VENV)/bin/python jobs/bench.py --output out/bench-million --config conf/bench_million.toml $(ARGS)
	$(VENV)/bin/python jobs/bench.py --output out/bench $(ARGS)

bench-kernels: preflight $(VENV)/installed-jobs ## Measure SGD's kernels against the memory's bandwidth into out/bench-kernels
	$(VENV)/bin/python jobs/bench_kernels.py --output out/bench-kernels --overwrite $(ARGS)

bench-ratings: preflight $(VENV)/installed-jobs ## Measure generating, checking and partitioning 1 to 100 million ratings into out/bench-ratings
	$(VENV)/bin/python jobs/bench_ratings.py --output out/bench-ratings --overwrite $(ARGS)

scalability: preflight $(VENV)/installed-jobs ## Measure how fits scale with cores, ratings, rank and blocks into out/scalability (takes a while)
	$(VENV)/bin/python jobs/scalability.py --output out/scalability $(ARGS)

cluster-up: cluster-folder ## Build the image and start a cluster: master, two workers, history server; sizes in .env.example
	$(COMPOSE) up --build --detach

cluster-demo: cluster-up ## Compare with pyspark's ALS on the cluster into out/cluster-demo; ARGS=… for more options
	$(COMPOSE) run --rm -T submit jobs/compare.py --output out/cluster-demo --overwrite $(ARGS)

cluster-down: ## Stop the cluster; event logs are kept
	$(COMPOSE) down

cluster-test: $(VENV)/installed-test ## Test a cluster of its own, from building the image to killing workers
	$(VENV)/bin/python -m pytest -m slow -rs tests/cluster $(ARGS)

cluster-folder:
	@mkdir -p out/cluster-demo
	@test "$$(id -u)" -ne 0 || chown $(USER_ID) out/cluster-demo

textbook: preflight $(VENV)/installed-jobs ## Obtain the published numbers again, in NumPy and on Spark, into out/textbook
	$(VENV)/bin/python jobs/textbook.py --output out/textbook --overwrite $(ARGS)

experiments: preflight $(VENV)/installed-jobs ## Run the eight studies into out/experiments/NAME; ARGS=… for more options
	for name in $(EXPERIMENTS); do \
		$(VENV)/bin/python jobs/experiments.py $$name --output out/experiments/$$name --overwrite $(ARGS) || exit 1; \
	done

constraints: ## Write constraints.txt anew with the newest releases that fit pyproject.toml
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/python -m pip install --quiet --disable-pip-version-check ".[jobs,test,lint]"
	sed -n '/^#/p' constraints.txt > constraints.new
	$(VENV)-constraints/bin/python -m pip freeze --exclude spark_mf >> constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-constraints

clean: ## Remove the environment, caches and everything that was written
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
	find spark_mf jobs tests -name __pycache__ -type d -prune -exec rm -rf {} +

preflight:
	@command -v $(PYTHON) >/dev/null || { echo "spark_mf needs Python 3.11 or newer, and $(PYTHON) is not a program on" \
		"PATH: install one or name it with \`make PYTHON=/path/to/python3\`." >&2; exit 1; }
	@$(PYTHON) spark_mf/cli/preflight.py

# The stamps say which extras are installed for the dependencies as they stand; sources are used in place.
$(VENV)/installed-%: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing into $(VENV) (the first time this downloads several hundred MB)"
	$(PIP) -c constraints.txt -e ".[$*]"
	@touch $@

$(VENV)/bin/python: | preflight
	$(PYTHON) -m venv $(VENV)
