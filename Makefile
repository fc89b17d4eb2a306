# Everything a person or CI runs. `make demo` needs nothing but Python 3.11 or newer and make; the tests run the
# documentation's commands too, with bash, git, curl, openssl and, or some are skipped, jq and Chromium.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
FUZZ_SECONDS ?= 600
FUZZ_WORK ?= .fuzz
HOST ?= 127.0.0.1
PORT ?= 8080
BENCH_ARGS ?=

# Only folders that exist: mypy and ruff refuse to be given others.
SOURCES = $(wildcard verifier issuer nitro_demo tests vectors bench examples/enclave-app examples/relying-party)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo run check format docs-check test e2e-enclave vectors bench bench-guard image lock lock-check fuzz clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- the environment: two stamps, so that `make demo` need not wait for the test tools ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# The build backend is locked and installed like everything else; --no-build-isolation then uses that one and
# downloads nothing unhashed.
$(VENV)/.ready-run: requirements/build.txt requirements/service.txt pyproject.toml | $(BIN)/python
	@echo "installing the service (requirements/service.txt)"
	@$(PIP) install --require-hashes --no-deps -r requirements/build.txt -r requirements/service.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: requirements/dev.txt $(VENV)/.ready-run
	@echo "installing the tools (requirements/dev.txt)"
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@$(PIP) check
	@touch $@

# The npm packages that read our tokens in the tests. Node.js itself comes from requirements/dev.txt. It is told to believe
# the system's certificates, as pip does; the cache lies beside, since there may be no home.
$(VENV)/.ready-node: tests/node/package.json tests/node/package-lock.json $(VENV)/.ready-dev
	@echo "installing what reads tokens in the tests (tests/node/package-lock.json)"
	@mkdir -p $(VENV)/node
	@cp tests/node/package.json tests/node/package-lock.json $(VENV)/node/
	@cd $(VENV)/node && NODE_OPTIONS=--use-system-ca ../bin/npm ci --ignore-scripts --no-audit --no-fund \
	  --no-update-notifier --cache .cache --loglevel error
	@touch $@

setup: $(VENV)/.ready-dev $(VENV)/.ready-node  ## create .venv with everything in it

# --- using it ---

demo: $(VENV)/.ready-run  ## the whole loop: nonce, document, verdict, four rejections
	@$(BIN)/nitro-verifier demo

run: $(VENV)/.ready-run  ## serve the example policies on HOST:PORT
	@$(BIN)/nitro-verifier serve --host $(HOST) --port $(PORT) --policies policies

# --- checking it ---

check: $(VENV)/.ready-dev docs-check lock-check  ## all that needs no test run: style, types, layers, vectors, documents, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/cfn-lint $(wildcard examples/*/aws/*.yaml)
	$(BIN)/lint-imports
	$(BIN)/python -m vectors.generate --check

format: $(VENV)/.ready-dev  ## put the code in its normal form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs-check: $(VENV)/.ready-dev
	$(BIN)/python tests/check_docs.py
	$(BIN)/python bench/report.py --check

lock-check:
	@if grep -nE '://|^(-i|--index-url|--extra-index-url|--find-links|--trusted-host)|(^|[[:space:]])/[a-z]' requirements/*.txt examples/*/requirements.txt bench/peer/*/requirements.txt; then \
	  echo "a lock file names an index or a path of one machine" >&2; exit 1; fi
	@if grep -n '"resolved"' tests/node/package-lock.json bench/peer/*/package-lock.json; then \
	  echo "a package-lock.json names a registry: npm install --package-lock-only --omit-lockfile-registry-resolved" >&2; \
	  exit 1; fi

test: $(VENV)/.ready-dev $(VENV)/.ready-node  ## all tests, in random order, with branch coverage of verifier/ (PYTEST_ARGS=...)
	$(BIN)/pytest --numprocesses=auto --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

# Its own target, because it takes root, Debian and some minutes the first time: get-tools.sh says what and where.
e2e-enclave: $(VENV)/.ready-dev  ## boot real enclave images in QEMU and test the enclave side from inside
	@tools=$$(tests/e2e_enclave/get-tools.sh) && \
	  E2E_ENCLAVE_TOOLS="$$tools" $(BIN)/pytest --numprocesses=0 tests/e2e_enclave $(PYTEST_ARGS)

vectors: $(VENV)/.ready-dev  ## write vectors/ anew
	$(BIN)/python -m vectors.generate

bench: $(VENV)/.ready-dev  ## five minutes of figures into bench/results.json and docs/performance.md (BENCH_ARGS=--quick, --full)
	$(BIN)/python bench/run.py $(BENCH_ARGS)

bench-guard: $(VENV)/.ready-dev  ## wide ratios that must not be lost, in a quarter of a minute
	$(BIN)/python bench/guard.py

fuzz: $(VENV)/.ready-dev  ## coverage-guided fuzzing for FUZZ_SECONDS, seeded from the vectors
	@mkdir -p $(FUZZ_WORK)/appraise $(FUZZ_WORK)/readers
	$(BIN)/python tests/fuzz/fuzz_appraise.py $(FUZZ_WORK)/appraise vectors/evidence \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=5 -rss_limit_mb=2048 -artifact_prefix=$(FUZZ_WORK)/crash-
	$(BIN)/python -W ignore tests/fuzz/fuzz_readers.py $(FUZZ_WORK)/readers \
	  -max_total_time=60 -max_len=8192 -timeout=5 -artifact_prefix=$(FUZZ_WORK)/crash-

# --- shipping it ---

image:  ## build the container image, or prove its steps where no Docker engine runs
	@if docker info >/dev/null 2>&1; then docker build --tag nitro-verifier:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) .; \
	else echo "no Docker engine here: proving the image's steps without one"; deploy/prove-image.sh; fi

# The index is whatever this machine's pip uses; nothing of it is written down. dev.txt is resolved first and
# constrains the others, so that one .venv can hold all of them.
UV_COMPILE = UV_DEFAULT_INDEX="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)" \
  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links --system-certs $(LOCK_ARGS)

lock: $(VENV)/.ready-dev  ## resolve requirements/*.txt anew (LOCK_ARGS=--upgrade to move on)
	$(UV_COMPILE) pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --constraint requirements/dev.txt --output-file requirements/core.txt
	$(UV_COMPILE) pyproject.toml --extra service --constraint requirements/dev.txt --output-file requirements/service.txt
	$(UV_COMPILE) pyproject.toml examples/enclave-app/requirements.in --constraint requirements/dev.txt \
	  --output-file examples/enclave-app/requirements.txt
	$(UV_COMPILE) --group build --constraint requirements/dev.txt --output-file requirements/build.txt
	@# The benchmarks' peers: each in an environment of its own, as its users would have it.
	for peer in bench/peer/*/requirements.in; do $(UV_COMPILE) $$peer --output-file $${peer%.in}.txt || exit 1; done
	@$(MAKE) --no-print-directory lock-check

clean:  ## remove what make made
	rm -rf $(VENV) $(FUZZ_WORK) build dist .coverage .coverage.* coverage.xml htmlcov .hypothesis \
	  .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find verifier issuer nitro_demo tests vectors bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
