# Everything that is done with this tree. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps run test soak chaos autobahn planted bench fuzz lint doc binary package deb

CARGO ?= cargo
ARGS ?=
# How many worlds `make soak` simulates.
SOAK ?= 300
# How long `make chaos` goes on, in seconds.
CHAOS ?= 600
# How long `make fuzz` runs each of its targets.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= head chunked connection client router cache fields targets hpack_decode hpack_encode \
	qpack_decode qpack_pair h2_frames h2_connection h2_client tls_session h3_operations h3_client quic_route \
	websocket recording

# What is needed, each program with the Debian package it comes from. `make test` asks for less.
TOOLS = $(BUILD) git:git curl:curl openssl:openssl wrk:wrk h2load:nghttp2-client
test soak planted: TOOLS = $(BUILD) git:git curl:curl openssl:openssl
fuzz: TOOLS = $(BUILD)
# QUIC stands on BoringSSL: that is what cmake, C++ and libclang are for.
BUILD = cc:build-essential c++:build-essential make:build-essential cmake:cmake libclang:libclang-dev
LIBCLANG = $(firstword $(wildcard $(or $(LIBCLANG_PATH),/usr/lib/llvm-*/lib)/libclang*.so* /usr/lib/*/libclang*.so*))
CAN_QUIC = $(and $(LIBCLANG),$(shell command -v cmake),$(shell command -v c++))
# Peers that tests start. Without one its cases say that they are skipped.
PEERS = nghttp:nghttp2-client nginx:nginx-light node:nodejs h2o:h2o chromium:chromium redis-server:redis-server promtool:prometheus mandoc:mandoc \
	go:golang-go pebble:pebble
soak planted fuzz: PEERS =

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

# What is installed here is for tests, which start it themselves: policy-rc.d keeps packages from starting their daemons.
deps: ## Look for what is needed; install it as root, else say how
	@export PATH="$$PATH:/usr/sbin"; \
	has() { if [[ $$1 == libclang ]]; then [[ -n "$(LIBCLANG)" ]]; else command -v "$$1" > /dev/null; fi; }; \
	lacking() { for tool; do has "$${tool%%:*}" || echo "$${tool##*:}"; done | sort -u | xargs; }; \
	missing=$$(lacking $(TOOLS)); wished=$$(lacking $(PEERS)); \
	if [[ -n "$(PEERS)" ]] && ! python3 -c "import ensurepip" 2> /dev/null; then wished+=" python3-venv"; fi; \
	install="apt-get install -y --no-install-recommends"; \
	if [[ -n "$$missing$$wished" && $$(id -u) == 0 ]]; then \
		policy=/usr/sbin/policy-rc.d; \
		if [[ ! -e $$policy ]]; then \
			trap 'rm -f $$policy' EXIT; \
			printf '#!/bin/sh\nexit 101\n' > $$policy; chmod +x $$policy; \
		fi; \
		apt-get update && DEBIAN_FRONTEND=noninteractive $$install $$missing $$wished; \
	elif [[ -n "$$missing" ]]; then \
		echo "missing: $$missing; run: sudo $$install $$missing" >&2; exit 1; \
	elif [[ -n "$$wished" ]]; then \
		echo "not here: $$wished; their cases are skipped; for them: sudo $$install $$wished" >&2; \
	fi
	@venv="$${CARGO_TARGET_DIR:-target}/aioquic"; \
	if [[ -n "$(PEERS)" ]] && ! "$$venv/bin/python" -c "import aioquic, h2, kosoku, kubernetes_validate, opentelemetry.proto, websockets" 2> /dev/null; then \
		{ python3 -m venv "$$venv" && "$$venv/bin/pip" install --quiet -r tests/it/aioquic.txt; } || \
			echo "not here: clients in Python; their cases are skipped; they need python3 with venv" >&2; \
	fi
	@if ! command -v $(CARGO) > /dev/null; then \
		echo "missing: cargo; install a Rust toolchain with rustup" >&2; exit 1; \
	fi
	@if ! $(CARGO) fmt --version > /dev/null 2>&1 || ! $(CARGO) clippy --version > /dev/null 2>&1; then \
		rustup component add rustfmt clippy; \
	fi

run: ## Run the demo: make run ARGS="--http :8080"
ifeq ($(CAN_QUIC),)
	@echo "building without HTTP/3, which needs cmake, c++ and libclang: apt-get install cmake g++ libclang-dev" >&2
endif
	$(CARGO) run --release --locked -p trilane-cli $(if $(CAN_QUIC),,--no-default-features) -- $(ARGS)

test: deps lint ## Formatting, lints, documentation, and every test
	$(CARGO) test --workspace --locked

soak: deps ## The long form of the simulation: make soak SOAK=1000
	SOAK=$(SOAK) $(CARGO) test --release --locked -p trilane-sim

autobahn: deps ## All of Autobahn's cases of WebSockets, some minutes of them: reports in target/autobahn
	$(CARGO) build --release --locked --bin trilane -p trilane-cli
	@target="$${CARGO_TARGET_DIR:-target}"; \
	exec 3< <(exec "$$target/release/trilane" demo --log off --http 127.0.0.1:0 --https off); \
	trap "kill $$!" EXIT; read -r ready <&3; ready="$${ready#*http=}"; \
	"$$target/aioquic/bin/kosoku" -p 2 -o "$$target/autobahn" "ws://$${ready%% *}/ws"

bench: deps ## Time, instructions and allocations, without sockets
	$(CARGO) bench --locked --profile max -p trilane-benches --benches
	$(CARGO) run --locked --profile max -p trilane-benches --bin allocations
	$(CARGO) run --locked --profile max -p trilane-benches --bin instructions

chaos: deps ## Right and wrong clients, reloads and upgrades at once: make chaos CHAOS=600 SEED=1
	TRILANE_IT_CHAOS=$(CHAOS) $(CARGO) test --workspace --locked --test it -- chaos --nocapture

planted: deps ## Nineteen mistakes on purpose, one build each: the simulator must find every one
	@CARGO="$(CARGO)" tests/sim/planted.sh

fuzz: deps ## Run every fuzz target for FUZZ_SECONDS: make fuzz FUZZ_TARGETS=head
	@command -v cargo-fuzz > /dev/null || $(CARGO) install cargo-fuzz --locked
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/target/corpus/$$target; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --features libfuzzer --target-dir fuzz/target $$target \
			fuzz/target/corpus/$$target fuzz/corpus/$$target fuzz/regressions/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1; \
	done

lint: ## Formatting, clippy and rustdoc, warnings refused
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

binary: ## The binary as packages have it: target/max/trilane
	$(CARGO) build --locked --profile max -p trilane-cli --bin trilane

# BINARY is any that was built already; what packages install beside it is made by itself.
PACKAGE = $${CARGO_TARGET_DIR:-target}/max
package:
ifdef BINARY
	mkdir -p "$(PACKAGE)" && cp "$(BINARY)" "$(PACKAGE)/trilane"
else
	$(MAKE) binary
endif
	mkdir -p "$(PACKAGE)/package"
	"$(PACKAGE)/trilane" man | gzip -9n > "$(PACKAGE)/package/trilane.1.gz"
	gzip -9nc CHANGELOG.md > "$(PACKAGE)/package/changelog.gz"
	"$(PACKAGE)/trilane" completions bash > "$(PACKAGE)/package/trilane.bash"
	"$(PACKAGE)/trilane" completions zsh > "$(PACKAGE)/package/_trilane"
	"$(PACKAGE)/trilane" completions fish > "$(PACKAGE)/package/trilane.fish"

deb: package ## A Debian package: target/debian/*.deb
	@command -v cargo-deb > /dev/null || $(CARGO) install cargo-deb --locked
	$(CARGO) deb --locked --no-build --profile max -p trilane-cli

doc: ## Build the documentation: target/doc/trilane/index.html
	$(CARGO) doc --workspace --no-deps --locked
