# Every verb sets up what it needs: the virtual environment is made once and reused.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.ready
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help repro test ui track gate bench lint clean

help: ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

repro: $(STAMP) ## run everything that is not up to date, end with report/index.html
	@test -e mlflow.db || test -n "$$MLFLOW_TRACKING_URI" || rm -f artifacts/tracked.json
	@dvc repro
	@echo "open report/index.html, or make ui"

test: $(STAMP) ## pass the tests (no network, no GPU)
	@pytest -q -n auto --dist loadfile --no-loadscope-reorder

ui: $(STAMP) ## open the MLflow UI on the tracked runs, on this machine only
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	  mlflow server --backend-store-uri sqlite:///$(CURDIR)/mlflow.db --host 127.0.0.1 \
	  --port $${PORT:-5000} --workers 1

track: $(STAMP) ## mirror the results into MLflow again, without doubles
	@python stages/track.py

gate: $(STAMP) ## compare metrics with a git revision: make gate BASE=HEAD~1
	@python stages/gate.py --base $${BASE:-HEAD}

bench: $(STAMP) ## time the heavy computations against the plain way
	@python benchmarks/bench.py

lint: $(STAMP) ## check style
	@ruff check . && ruff format --check .

clean: ## remove what can be made again (not the data, not the environment, not the tracked runs)
	@rm -rf artifacts report dvc_plots .dvc/cache .dvc/tmp .pytest_cache .ruff_cache
	@find src stages tests -name __pycache__ -prune -exec rm -rf {} +
