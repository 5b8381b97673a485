# Every target is one tool call in the checkout's own .venv, which is made when it is missing or older than pyproject.toml.
# Another interpreter: make PYTHON=/path/to/python3.13 ...

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
KILLS ?= 300
CELLS ?=
FILE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check format crash interop bench bench-peers certs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Send a patient's result from C1 to C4 through two access points (FILE=sbd.xml: yours)
	@$(BIN)/ehmi-ap demo $(FILE)

test: $(STAMP) ## Run the tests
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile

check: $(STAMP) ## Lint, format, strict types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

crash: $(STAMP) ## Kill real access points KILLS times (default 300) and count what is lost or delivered twice
	@$(BIN)/python -m tests.crash $(KILLS)

interop: $(STAMP) ## Try phase4, DNS servers, SMP clients, HAPI and Keycloak, live; needs Java 17, Maven, bind9, unbound; writes docs/reference/interop*.md
	@$(BIN)/python -m tests.interop $(CELLS)

bench: $(STAMP) ## Measure speed and memory beside the floor; writes build/bench.json
	@$(BIN)/python -m tests.bench

bench-peers: $(STAMP) ## Measure beside phase4 on this machine; needs what interop needs; writes build/bench-peers.json
	@$(BIN)/python -m tests.bench.peers

certs: $(STAMP) ## Write a throw-away PKI into certs/generated
	@$(BIN)/python certs/generate.py

clean: ## Remove everything that was made, the .venv too
	@rm -rf $(VENV) build dist certs/generated .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# `pip install --group` needs pip 25.1; older Pythons bring an older one.
$(STAMP): pyproject.toml
	@python=$$(sh .ci/find-python "$(PYTHON)") && echo "setting up $(VENV) with $$python" && \
	  { [ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(STAMP)
