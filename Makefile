# What people do with this directory. Each target says what it needs if that is missing.

CARGO ?= cargo
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TARGET := $(or $(CARGO_TARGET_DIR),target)
# --target keeps the flag away from build scripts and macros, which must stay dynamic.
STATIC := RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --locked --target $(HOST) --target-dir $(TARGET)/static

# For how long `make fuzz` looks at each target, and where it keeps what it learns.
FUZZ_SECONDS ?= 300
FUZZ_MEMORY := $(abspath $(TARGET))/fuzz-corpus

# How much `make differential` compares; the seed is another one every time.
DIFFERENTIAL_INPUTS ?= 2000000
DIFFERENTIAL_SECONDS ?= 1800
DIFFERENTIAL_SEED ?= $(shell date +%s)

# How many courses of the world `make simulation` goes through.
SIMULATION_SEEDS ?= 5000

# With how many names `make scale` starts the program.
SCALE_NAMES ?= 100000

# How often `make compare` goes round the proxies; of each, the cheapest round counts.
COMPARE_ROUNDS ?= 5

.PHONY: help run test bench instructions instructions-record compare first-use fuzz differential crash simulation scale static static-debug lint ci compiler

help:
	@echo 'make run      build and start the demo on https://localhost:8443'
	@echo 'make test     install what the tests need and run all of them'
	@echo 'make lint     formatting and clippy'
	@echo 'make bench    the benchmarks'
	@echo 'make instructions   that no operation costs more than recorded; make instructions-record writes down what they cost'
	@echo 'make compare  what an operation costs beside nginx and HAProxy'
	@echo 'make first-use   which functions the linker puts in front, so that the others stay on the disk'
	@echo 'make fuzz     bytes at random for every parser, FUZZ_SECONDS=$(FUZZ_SECONDS) for each'
	@echo 'make differential   requests without number, read by us and by others'
	@echo 'make simulation   years of renewals at a CA that counts, with SIMULATION_SEEDS=$(SIMULATION_SEEDS) different fates'
	@echo 'make crash    every system call interrupted, every power cut; writes docs/reliability.md'
	@echo 'make scale    the first client, memory and one unread certificate with SCALE_NAMES=$(SCALE_NAMES) names; 2 GB of disk'
	@echo 'make static   one file that runs on any Linux: $(TARGET)/static/sidegate'
	@echo 'make ci       what has to pass before a change lands: .ci/run'

run: compiler
	$(CARGO) run -- demo

test:
	sh tests/setup.sh
	$(MAKE) --no-print-directory static-debug
	$(CARGO) test --all-targets
	$(CARGO) test --doc
	python3 benches/compare.py $(TARGET)/static/$(HOST)/debug/sidegate --rounds 1 --scale 0.05

bench: compiler
	$(CARGO) bench

# Counted by valgrind, and compared with benches/instructions/figures.toml.
instructions: compiler
	sh tests/setup.sh
	$(CARGO) bench --profile instructions --bench instructions

# The same figures, written there and into docs/performance.md.
instructions-record: compiler
	sh tests/setup.sh
	$(CARGO) bench --profile instructions --bench instructions -- --record

compare: compiler
	sh tests/setup.sh
	$(CARGO) build --release --locked
	python3 benches/compare.py $(TARGET)/release/sidegate --rounds $(COMPARE_ROUNDS)

# Written aside, since the build reads it; link/first_use.py says what it is.
first-use: compiler
	sh tests/setup.sh
	CARGO_PROFILE_RELEASE_STRIP=none $(CARGO) build --release --locked --target-dir $(TARGET)/first-use
	python3 link/first_use.py $(TARGET)/first-use/release/sidegate link/first-use.ld > $(TARGET)/first-use.ld
	mv $(TARGET)/first-use.ld link/first-use.ld

# On the stable toolchain: without a sanitizer, which a program that forbids unsafe code can do without.
fuzz: compiler
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	for target in request response chunked connection; do \
		mkdir -p $(FUZZ_MEMORY)/$$target && \
		$(CARGO) fuzz run --sanitizer none $$target $(FUZZ_MEMORY)/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done

differential: compiler
	sh tests/setup.sh
	DIFFERENTIAL_INPUTS=$(DIFFERENTIAL_INPUTS) DIFFERENTIAL_SECONDS=$(DIFFERENTIAL_SECONDS) \
	DIFFERENTIAL_SEED=$(DIFFERENTIAL_SEED) $(CARGO) test --test it -- --nocapture wire::differential

# A failure names its seed, and how to see it again.
simulation: compiler
	SIMULATION_SEEDS=$(SIMULATION_SEEDS) $(CARGO) test --profile bench --test it -- --nocapture simulation::

# On two processors about half an hour.
crash: compiler
	sh tests/setup.sh
	CRASH_EVERYWHERE=1 $(CARGO) test --test it -- --nocapture reliability::

# benches/scale/main.rs says what else can be set.
scale: compiler
	SCALE_NAMES=$(SCALE_NAMES) $(CARGO) bench --bench scale

static: compiler
	$(STATIC) --release
	cp $(TARGET)/static/$(HOST)/release/sidegate $(TARGET)/static/sidegate
	@ls -l $(TARGET)/static/sidegate

# The same in a hurry, for the test that runs it in an empty directory. Its last line is where it is.
static-debug: compiler
	$(STATIC) --quiet
	@echo $(TARGET)/static/$(HOST)/debug/sidegate

lint: compiler
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

ci:
	.ci/run

compiler:
	@command -v rustc >/dev/null || { echo 'a Rust toolchain is needed: https://rustup.rs' >&2; exit 1; }
	@command -v cc >/dev/null || { echo 'a C compiler is needed: apt-get install build-essential' >&2; exit 1; }
