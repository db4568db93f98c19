# All that a new machine needs is Rust, make and git; the rest is fetched at first use and kept in the user's cache.
# Builds go through tests/tools/cargo.sh, which takes the prebuilt libduckdb instead of compiling DuckDB for half an hour.

CARGO := tests/tools/cargo.sh
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/forebay
ROWS ?= 100000
N ?= 20000
MINUTES ?= 10
VERSIONS ?= 13 14 15 16 17 18

# CI clones anew each time: the dependencies it compiled last time are outside the clone.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(CACHE)/target
endif

.DEFAULT_GOAL := help
.PHONY: help build release demo test test-postgres-versions oracle test-kill test-quota soak lint deny advisories generate check-generated bench ci clean-cache

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-23s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Debug build
	$(CARGO) build

release: ## Optimised build against the prebuilt libduckdb (for one file to copy: cargo build --release)
	$(CARGO) build --release --bin forebay

demo: ## Load 500 members from a stand-in for Memberstack's API and query them
	@tests/tools/demo.sh

test: ## All tests
	@tests/tools/test.sh

test-postgres-versions: ## All tests that have to do with Postgres, on each major version (VERSIONS="13 18" for some)
	@tests/tools/test-postgres-versions.sh $(VERSIONS)

oracle: ## New random documents, the same for dlt and forebay (N=100000 for more, SEED=1 for those of that seed)
	FOREBAY_TEST_DOCUMENTS=$(N) FOREBAY_TEST_SEED=$(or $(SEED),random) $(CARGO) test --test it dlt::random -- --nocapture

test-kill: ## Kill runs at the real quota of 25/s and let the next ones go on
	$(CARGO) test --test it kill -- --ignored

test-quota: ## Two processes with one key, on one machine and by a quota store: how much of 25/s they use together
	$(CARGO) test --test it rest::quota -- --ignored --nocapture --test-threads=1

soak: ## Eight pipelines load into one dataset on Postgres while it is read and changed (MINUTES=60 for longer)
	FOREBAY_TEST_MINUTES=$(MINUTES) $(CARGO) test --test it postgres_soak -- --nocapture

lint: ## Formatting and clippy, warnings denied
	cargo fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

deny: ## Licences, bans and sources of the dependencies
	@tests/tools/deny.sh licenses bans sources

advisories: ## Known faults of the dependencies (needs the advisory database on GitHub)
	@tests/tools/deny.sh advisories

generate: ## Write the files that are made from the code
	@tests/tools/generated.sh write

check-generated: ## Are the files that are made from the code current?
	@tests/tools/generated.sh check

bench: ## forebay and dlt side by side (ROWS=1000000 for ten times as much, ARGS="--json FILE")
	@tests/tools/bench.sh --rows $(ROWS) $(ARGS)

ci: ## What CI runs
	@.ci/run

clean-cache: ## Remove what was fetched and built into the user's cache
	rm -rf "$(CACHE)"
