# What people do with this directory. Each target says what it needs if that is missing.

CARGO ?= cargo
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
STATIC_DIR := target/static

.PHONY: help run test bench static lint ci compiler

help:
	@echo 'make run      build and start the demo on https://localhost:8443'
	@echo 'make test     install what the tests need and run all of them'
	@echo 'make lint     formatting and clippy'
	@echo 'make bench    the benchmarks'
	@echo 'make static   one file that runs on any Linux: $(STATIC_DIR)/sidegate'
	@echo 'make ci       what has to pass before a change lands: .ci/run'

run: compiler
	$(CARGO) run --quiet -- demo

test:
	sh tests/setup.sh
	$(CARGO) test --all-targets
	$(CARGO) test --doc

bench: compiler
	$(CARGO) bench

# --target keeps the flag away from build scripts and macros, which must stay dynamic.
static: compiler
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --release --locked --target $(HOST) --target-dir $(STATIC_DIR)
	cp $(STATIC_DIR)/$(HOST)/release/sidegate $(STATIC_DIR)/sidegate
	@ls -l $(STATIC_DIR)/sidegate

lint: compiler
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

ci:
	.ci/run

compiler:
	@command -v rustc >/dev/null || { echo 'a Rust toolchain is needed: https://rustup.rs' >&2; exit 1; }
	@command -v cc >/dev/null || { echo 'a C compiler is needed: apt-get install build-essential' >&2; exit 1; }
