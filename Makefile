# Everything a developer needs. Only Python 3.11+, pip, venv and make are expected.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
# Processes of `make test`: on two cores a third works while others wait.
JOBS ?= 3
# Tests start hundreds of processes; none of them shall compile what another has compiled.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test coverage lint interop soak bench docs site lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(STAMP)  ## make .venv with everything the lock files name

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "statusgate needs Python 3.11 or newer")'
	@echo "Setting up .venv with what requirements-dev.lock names; this takes a minute or two."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)
	@echo "Done. In this terminal:  . .venv/bin/activate"

demo: $(STAMP)  ## a sandbox account on http://127.0.0.1:8080, living
	$(BIN)/statusgate demo

lint: $(STAMP)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then the whole suite with branch coverage and its floor
	$(BIN)/pytest -m "not soak" -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

coverage: $(STAMP)  ## the lines that the last `make test` did not reach
	$(BIN)/coverage report --show-missing --skip-covered --fail-under=0

interop: $(STAMP)  ## the gateway and Baileys on our own WhatsApp server (needs npm's registry)
	interop/prepare $(BIN)/python
	$(BIN)/pytest interop

soak: $(STAMP)  ## the long checks (needs time)
	$(BIN)/pytest -m soak --timeout 7200

bench: $(STAMP)  ## measure beside the floors; FULL=1 for the whole table (needs wrk)
	$(BIN)/python -m bench $(if $(FULL),--full)

docs: $(STAMP)  ## generate the reference from the code
	$(BIN)/python -m statusgate.api.reference
	$(BIN)/python -m statusgate.cli.reference

SITE := .venv-site
$(SITE)/.ready: requirements-site.lock
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-site.lock
	@touch $@

site: $(SITE)/.ready  ## the documentation as a site in build/site; a link without target fails
	$(SITE)/bin/sphinx-build --fail-on-warning --keep-going --quiet --fresh-env -c docs . build/site
	cp docs/site-start.html build/site/index.html

lock:  ## renew the lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links -q pyproject.toml --extra dev \
	  -c requirements.lock -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links -q --group site -o requirements-site.lock

clean:  ## remove what was built, keep data
	rm -rf .venv $(SITE) build/site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
