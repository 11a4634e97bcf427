# What one can do here. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV := .venv
LINT_TOOLS := $(VENV)/.tools
AWS_TOOLS := $(VENV)/.tools-aws
EMULATOR := $(VENV)/emulator/.tools
WITH_TOOLS := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
ARGS ?=
ARCH ?=
MINUTES ?= 15
ENV ?= default
F ?= ingest
E ?= events/ingest/http.json

.PHONY: help dev build test e2e lint format bench bench-lambda soak cost emulator deploy invoke tools clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

dev: ## Build and run everything on http://127.0.0.1:8080 (ARGS="--in-memory ..." are passed on)
	@echo "building postrider (the first time takes a few minutes)"
	@cargo build --package postrider
	@exec cargo run --quiet --package postrider -- dev $(ARGS)

build: $(AWS_TOOLS) ## Package the functions for Lambda, as small as they get (ARCH=arm64 or x86_64 for only one)
	$(WITH_TOOLS) tools/package-lambdas.sh $(ARCH)

test: programs verifiers $(EMULATOR) ## Run all tests: unit, property, end to end in one process and on the emulator, crashes
	cargo test --workspace
	$(MAKE) e2e

e2e: programs $(AWS_TOOLS) $(EMULATOR) ## Run the end-to-end scenarios on the emulator, deployed from template.yaml
	POSTRIDER_TEST_SCALE=$${POSTRIDER_TEST_SCALE:-0.02} POSTRIDER_TEST_SLOW=$${POSTRIDER_TEST_SLOW:-5} \
	$(VENV)/bin/python infra/localstack/emulator.py e2e -- cargo test --workspace --test scenarios $(ARGS)

# All of it at once: built one by one, packages would ask for other features of what they share, and the AWS SDK
# would be built again for each.
.PHONY: programs verifiers
programs:
	cargo build --workspace --all-targets

verifiers:
	@tests/verifiers/install.sh

lint: $(LINT_TOOLS) $(AWS_TOOLS) ## Check formatting, lints, documentation, dependencies, licences and the template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --quiet
	$(WITH_TOOLS) cargo deny --log-level error check bans licenses sources
	$(WITH_TOOLS) cargo shear
	$(VENV)/bin/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam validate --lint

format: ## Format the code
	cargo fmt --all

bench: ## Measure throughput and latency beside bare posts to the same receiver (ARGS="memory single": only that)
	cargo build --release --package postrider --package postrider-tests --bin postrider --bin bench
	target/release/bench $(ARGS)

bench-lambda: ## Measure the packaged functions: size, start and memory beside their budgets (after `make build`)
	@cargo run --quiet --package postrider-tests --bin bench-lambda

soak: ## Run the stack under load with kills for a quarter of an hour and count (MINUTES=15)
	cargo build --release --package postrider --package postrider-tests --bin postrider --bin soak
	target/release/soak $(MINUTES)

cost: ## Print what a delivery costs on AWS, counted: requests, units and dollars
	@cargo run --quiet --package postrider-cost --bin cost

emulator: programs $(AWS_TOOLS) $(EMULATOR) ## Run the stack on the emulator until Ctrl-C (ARGS="--port 4566")
	$(VENV)/bin/python infra/localstack/emulator.py $(ARGS) up

deploy: ## Package the functions and deploy the stack to AWS (ENV=staging: an environment of samconfig.toml)
	@arch="$$(sed -n '/^\[$(ENV)\.deploy\.parameters\]/,/^\[/s/.*"Architecture=\([a-z0-9_]*\)".*/\1/p' samconfig.toml)"; \
	[ -n "$$arch" ] || { echo "samconfig.toml has no environment $(ENV) with an Architecture" >&2; exit 1; }; \
	$(MAKE) build ARCH="$$arch"
	$(WITH_TOOLS) sam validate --lint
	$(WITH_TOOLS) sam deploy --config-env $(ENV) $(ARGS)

invoke: $(AWS_TOOLS) ## Run a packaged function in Lambda's container (F=query E=events/query/http.json; needs Docker)
	@$(WITH_TOOLS) tools/invoke.sh $(F) $(E) $(ARGS)

tools: $(LINT_TOOLS) $(AWS_TOOLS) $(EMULATOR) ## Install the pinned programs that the other targets use into .venv

$(LINT_TOOLS): tools/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
	touch $@

$(AWS_TOOLS): tools/requirements-aws.txt $(LINT_TOOLS)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements-aws.txt
	touch $@

$(EMULATOR): tools/requirements-emulator.txt $(LINT_TOOLS)
	python3 -m venv $(VENV)/emulator
	$(VENV)/emulator/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements-emulator.txt
	ln -sf ../emulator/bin/ministack $(VENV)/bin/ministack
	touch $@

clean: ## Remove what was built and installed here
	cargo clean
	rm -rf $(VENV) tests/verifiers/node_modules
