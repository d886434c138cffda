# Every verb sets up what it needs: the virtual environment is made once and reused.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.ready
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Handed over in the environment and as they are, so that neither make nor a shell reads what is in them.
override EXP := $(value EXP)
override PORT := $(value PORT)
override BASE := $(value BASE)
override REV := $(value REV)
export EXP PORT BASE REV

.DEFAULT_GOAL := help
.PHONY: help repro quick test test-all ui track gate compare exps try bench readme params verify lint clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

repro: $(STAMP) ## run everything that is not up to date, end with report/index.html
	@test -e mlflow.db || test -n "$$MLFLOW_TRACKING_URI" || rm -f artifacts/tracked.json
	@python stages/repro.py
	@echo "open report/index.html, or make ui"

quick: $(STAMP) ## a first look: everything at toy size, in a folder of its own
	@python stages/quick.py

test: $(STAMP) ## pass the tests but for the long ones, in minutes (no network, no GPU)
	@PYTHONDONTWRITEBYTECODE= pytest -q -n auto -m "not long"

test-all: $(STAMP) ## pass all tests, also the long ones: browsers, clusters, kills, whole pipelines
	@PYTHONDONTWRITEBYTECODE= pytest -q -n auto

ui: $(STAMP) ## open the MLflow UI on the tracked runs, on this machine only: make ui PORT=5001
	@case "$${PORT:=5000}" in *[!0-9]*) echo "PORT must be a number" >&2; exit 2;; esac; \
	  python stages/track.py --if-old; \
	  echo "open http://127.0.0.1:$$PORT/#/experiments"; \
	  MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	  mlflow server --backend-store-uri "sqlite:///$$PWD/mlflow.db" --host 127.0.0.1 \
	  --port "$$PORT" --workers 1

track: $(STAMP) ## mirror the results into MLflow again, without doubles
	@python stages/track.py

gate: $(STAMP) ## compare metrics with a git revision: make gate BASE=HEAD~1
	@python stages/gate.py --base="$${BASE:-HEAD}"

compare: $(STAMP) ## what differs from a git revision, side by side in report/compare.html: make compare REV=main
	@python stages/gate.py --base="$$REV" --page

# Of a metrics file what a person reads: verdicts, which checks hold, and what they measured and predicted.
UNREAD := ^(src|stages|data|artifacts|plots|curves|metrics|report)(/[^:]*)?$$|(^|:)metrics\.
UNREAD := $(UNREAD)|(checks|errata)\..*\.(at\..*|tol|points|why|name|relation|where|printed|correct)$$

exps: $(STAMP) ## the experiments of `dvc exp run`: parameters and verdicts that differ
	@test -t 1 || set -- --md; dvc exp show --only-changed --drop '$(UNREAD)' "$$@"

try: $(STAMP) ## one experiment at toy size, its figure and its tests: make try EXP=dynamics@momentum
	@python stages/attempt.py "$$EXP"

bench: $(STAMP) ## time the heavy computations against the plain way
	@python benchmarks/bench.py

readme: $(STAMP) ## renew the table of claims in the README
	@python stages/claims.py

params: $(STAMP) ## write params.yaml as `dvc exp run -S` does, so that -S changes one line
	@python stages/params.py

verify: $(STAMP) ## compare every result and the cache with dvc.lock, byte by byte
	@python stages/verify.py

lint: $(STAMP) ## check style, that the README has the claims, and the form of params.yaml
	@ruff check . && ruff format --check . && python stages/claims.py --check && \
	  python stages/params.py --check

clean: ## remove what can be made again (not the data, not the environment, not the tracked runs)
	@rm -rf artifacts report dvc_plots .dvc/cache .dvc/tmp .pytest_cache .ruff_cache
	@find src stages tests -name __pycache__ -prune -exec rm -rf {} +
