# What one can do here. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV := .venv
TOOLS := $(VENV)/.tools
ARGS ?=

.PHONY: help dev build test lint format bench tools clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

dev: ## Build and run everything on http://127.0.0.1:8080 (ARGS="--in-memory ..." are passed on)
	@echo "building postrider (the first time takes a few minutes)"
	@cargo build --package postrider
	@exec cargo run --quiet --package postrider -- dev $(ARGS)

build: ## Build the program that the tests run
	cargo build --package postrider

test: build verifiers ## Run all tests: unit, property, end to end, crashes
	cargo test --workspace

.PHONY: verifiers
verifiers:
	@tests/verifiers/install.sh

lint: tools ## Check formatting, lints, documentation, dependencies and licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --quiet
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo deny --log-level error check bans licenses sources
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo shear

format: ## Format the code
	cargo fmt --all

bench: ## Measure throughput and latency beside bare posts to the same receiver
	cargo build --release --package postrider --package postrider-tests --bin postrider --bin bench
	target/release/bench

tools: $(TOOLS) ## Install the pinned programs that the other targets use into .venv

$(TOOLS): tools/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
	touch $(TOOLS)

clean: ## Remove what was built and installed here
	cargo clean
	rm -rf $(VENV) tests/verifiers/node_modules
