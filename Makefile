# Everything that is done with this tree. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps run test soak bench fuzz lint doc

CARGO ?= cargo
ARGS ?=
# How many worlds `make soak` simulates.
SOAK ?= 300

# What is needed, each program with the Debian package it comes from. `make test` asks for less.
TOOLS = cc:build-essential make:build-essential git:git curl:curl wrk:wrk h2load:nghttp2-client
test soak: TOOLS = cc:build-essential make:build-essential git:git curl:curl

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

deps: ## Look for what is needed; install it as root, else say how
	@missing=$$(for tool in $(TOOLS); do \
		command -v "$${tool%%:*}" > /dev/null || echo "$${tool##*:}"; \
	done | sort -u | xargs); \
	install="apt-get install -y --no-install-recommends $$missing"; \
	if [[ -n "$$missing" && $$(id -u) == 0 ]]; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive $$install; \
	elif [[ -n "$$missing" ]]; then \
		echo "missing: $$missing; run: sudo $$install" >&2; exit 1; \
	fi
	@if ! command -v $(CARGO) > /dev/null; then \
		echo "missing: cargo; install a Rust toolchain with rustup" >&2; exit 1; \
	fi
	@if ! $(CARGO) fmt --version > /dev/null 2>&1 || ! $(CARGO) clippy --version > /dev/null 2>&1; then \
		rustup component add rustfmt clippy; \
	fi

run: ## Run the demo: make run ARGS="--http :8080"
	$(CARGO) run --release --locked -p trilane-cli -- $(ARGS)

test: deps lint ## Formatting, lints, documentation, and every test
	$(CARGO) test --workspace --locked

soak: deps ## The long form of the simulation: make soak SOAK=1000
	SOAK=$(SOAK) $(CARGO) test --release --locked -p trilane-sim

bench: deps ## Time, instructions and allocations, without sockets
	$(CARGO) bench --locked --profile max -p trilane-benches --benches
	$(CARGO) run --locked --profile max -p trilane-benches --bin allocations
	$(CARGO) run --locked --profile max -p trilane-benches --bin instructions

fuzz: ## Run the fuzzers, once there are some
	@echo "there is no fuzz crate in this version yet" >&2; exit 1

lint: ## Formatting, clippy and rustdoc, warnings refused
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

doc: ## Build the documentation: target/doc/trilane/index.html
	$(CARGO) doc --workspace --no-deps --locked
