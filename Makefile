# Every command of the project. `make help` lists them; CI calls the same.

CARGO ?= cargo
# The tool that holds deny.toml: built once where it is missing.
DENY_VERSION := 0.20.2
# The tool that runs the fuzz targets: the same.
FUZZ_VERSION := 0.13.2
# How long each fuzz target runs, in seconds.
FUZZ_TIME ?= 600

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the demo service at http://127.0.0.1:3000 (HOST, PORT); nothing else is needed
	$(CARGO) run --release -p demo

.PHONY: test
test: peers ## Run all tests, against the real collector, Prometheus and Jaeger
	$(CARGO) test -p highwater-model
	$(CARGO) test -p highwater-sources
	$(CARGO) test -p highwater-sources --features jemalloc
	$(CARGO) test -p highwater --no-default-features
	$(CARGO) test -p highwater --features jemalloc
	$(CARGO) test -p highwater-e2e

.PHONY: check
check: ## Check format, lints, docs, licences, duplicate dependencies and packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p highwater --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy -p highwater --all-targets --no-default-features --features opentelemetry -- -D warnings
	$(CARGO) clippy -p highwater-sources --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps -p highwater-model -p highwater-sources -p highwater --all-features
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --no-default-features
	$(CARGO) deny check licenses bans sources
	$(CARGO) test -p highwater-e2e --test dependencies
	# In a folder of its own: what an earlier run built of the same version would be verified in place of what is packed now.
	packages=$$(mktemp -d) && trap 'rm -rf "$$packages"' EXIT && \
		$(CARGO) package -p highwater-model -p highwater-sources -p highwater --allow-dirty --target-dir "$$packages"

.PHONY: bench
bench: ## Measure: readings, the agent's heap and exports, the demo's throughput, build time and size
	$(CARGO) bench -p highwater-sources --features jemalloc
	$(CARGO) test --release -p highwater --test held_heap -- --nocapture
	$(CARGO) test -q -p highwater-e2e --test dependencies -- --nocapture
	$(CARGO) build --release -p demo
	$(CARGO) bench -p highwater-e2e --bench throughput
	crates/highwater-e2e/added.sh

# Without a sanitizer, which looks for what only unsafe code can do: the parsers have none, and run twice as often.
.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZ_TIME seconds each (needs a nightly compiler)
	$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --version $(FUZZ_VERSION) --locked
	cd crates/highwater && for target in $$($(CARGO) fuzz list); do \
		mkdir -p fuzz/corpus/$$target && \
		$(CARGO) +nightly fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-dict=fuzz/dictionary -max_total_time=$(FUZZ_TIME) || exit 1; \
	done

.PHONY: soak
soak: peers ## Run the demo for two hours under changing load, beside a collector that is stopped and started
	$(CARGO) bench -p highwater-e2e --bench soak

.PHONY: peers
peers: ## Build the real collector, Prometheus and Jaeger, once, into the user's cache folder
	otel-collector/peers/build.sh

.PHONY: compose-check
compose-check: ## Run compose.yaml for real with images made on the spot (needs a Docker engine, or root and dockerd)
	otel-collector/compose-check.sh

.PHONY: up
up: ## Run demo, collector, Jaeger and Prometheus in containers
	docker compose up --build --detach --wait

.PHONY: down
down: ## Stop the containers of `make up` and remove their data
	docker compose down --volumes
