# Every command of the project. `make help` lists them; CI calls the same.

CARGO ?= cargo
# The tool that holds deny.toml: built once where it is missing.
DENY_VERSION := 0.20.2
# The tool that runs the fuzz targets: the same.
FUZZ_VERSION := 0.13.2
# The tool that changes the judge to see whether a test fails: the same.
MUTANTS_VERSION := 27.1.0
# How long each fuzz target runs, in seconds.
FUZZ_TIME ?= 600

# One of each kind: macOS, Windows, a BSD, a C library of its own, 32 bits.
FOREIGN := aarch64-apple-darwin x86_64-pc-windows-gnu x86_64-unknown-freebsd x86_64-unknown-linux-musl i686-unknown-linux-gnu
# A processor without any system, for the crate that needs none.
BARE := thumbv7em-none-eabi
# Each feature that a service can turn on, from the manifest.
FEATURES := $(shell awk '/^\[/{features = /^\[features\]/} features && /^[a-z0-9-]+ = /{print $$1}' crates/highwater/Cargo.toml)
# The same of the middleware and of the page: a framework each.
FRAMEWORKS := tower actix-web
# The published libraries; the program is packed beside them.
PUBLISHED := -p highwater-model -p highwater-profile -p highwater-sources -p highwater -p highwater-middleware -p highwater-page
# The oldest Rust that the published crates state.
OLDEST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# Stands for jemalloc's library where only Rust is checked; `true` stands for the compiler of ring's C.
NO_JEMALLOC := target/portable/libjemalloc.a

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Where the demo's black box is: one that was killed is told of when it is started again.
HIGHWATER_BLACK_BOX ?= target/demo-boxes/
.PHONY: demo
demo: ## Run the demo service at http://127.0.0.1:3000 (HOST, PORT); nothing else is needed
	mkdir -p target/demo-boxes
	HIGHWATER_BLACK_BOX=$(HIGHWATER_BLACK_BOX) $(CARGO) run --release -p demo

.PHONY: test
test: peers ## Run all tests, against the real collector, Prometheus and Jaeger
	$(CARGO) test -p highwater-model
	$(CARGO) bench -q -p highwater-model --bench judge -- 100 >/dev/null
	$(CARGO) test -p highwater-profile --all-features
	$(CARGO) test -p highwater-sources
	$(CARGO) test -p highwater-sources --features jemalloc
	$(CARGO) test -p highwater-sources --features heap-profile
	$(CARGO) test -p highwater --no-default-features
	for feature in $(FEATURES); do $(CARGO) test -p highwater --lib --no-default-features --features $$feature || exit 1; done
	$(CARGO) test -p highwater --features jemalloc
	$(CARGO) test -p highwater --all-features
	$(CARGO) test -p highwater-cli
	$(CARGO) test -p highwater-middleware
	for feature in $(FRAMEWORKS); do $(CARGO) test -p highwater-middleware --features $$feature || exit 1; done
	$(CARGO) test -p highwater-middleware --all-features
	$(CARGO) test -p highwater-page --lib
	$(CARGO) test -p highwater-page --all-features
	$(CARGO) test -p highwater-e2e

.PHONY: guest
guest: ## Test containers in a small machine of its own: cgroup v2, v1, hybrid and none (needs QEMU)
	crates/highwater-e2e/guest/run.sh

.PHONY: check
check: ## Check format, lints, docs, licences, dependencies, public interface and packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	# One package and one feature at a time: a workspace has the features of all its packages at once.
	$(CARGO) clippy -p highwater-model --all-targets -- -D warnings
	$(CARGO) clippy -p highwater-profile --lib -- -D warnings
	$(CARGO) clippy -p highwater-profile --all-targets --all-features -- -D warnings
	$(CARGO) clippy -p highwater-sources --all-targets -- -D warnings
	$(CARGO) clippy -p highwater-sources --all-targets --features jemalloc -- -D warnings
	$(CARGO) clippy -p highwater-sources --all-targets --features heap-profile -- -D warnings
	$(CARGO) clippy -p highwater --all-targets --no-default-features -- -D warnings
	for feature in $(FEATURES); do \
		$(CARGO) clippy -p highwater --all-targets --no-default-features --features $$feature -- -D warnings || exit 1; \
	done
	$(CARGO) clippy -p highwater --all-targets --all-features -- -D warnings
	$(CARGO) clippy -p highwater-cli --all-targets -- -D warnings
	$(CARGO) clippy -p highwater-middleware --all-targets -- -D warnings
	for feature in $(FRAMEWORKS); do \
		$(CARGO) clippy -p highwater-middleware --all-targets --features $$feature -- -D warnings || exit 1; \
	done
	$(CARGO) clippy -p highwater-middleware --all-targets --all-features -- -D warnings
	$(CARGO) clippy -p highwater-page --all-targets -- -D warnings
	for feature in $(FRAMEWORKS); do \
		$(CARGO) clippy -p highwater-page --all-targets --features $$feature -- -D warnings || exit 1; \
	done
	$(CARGO) clippy -p highwater-page --all-targets --all-features -- -D warnings
	# What only the fuzz targets call.
	$(CARGO) rustc -p highwater-sources --lib --profile check -- --cfg fuzzing -D warnings
	$(CARGO) rustc -p highwater --lib --all-features --profile check -- --cfg fuzzing -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps $(PUBLISHED) --all-features
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --no-default-features
	$(CARGO) deny check licenses bans sources
	$(CARGO) test -p highwater-e2e --test dependencies --test public_api
	# In a folder of its own: what an earlier run built of the same version would be verified in place of what is packed now.
	packages=$$(mktemp -d) && trap 'rm -rf "$$packages"' EXIT && \
		$(CARGO) package $(PUBLISHED) -p highwater-cli --allow-dirty --target-dir "$$packages"

.PHONY: bench
bench: ## Measure: readings, the agent's heap and exports, the demo's throughput, build time and size
	$(CARGO) bench -p highwater-sources --features jemalloc
	$(CARGO) bench -p highwater-sources --bench polling
	$(CARGO) bench -p highwater-model --bench throughput
	$(CARGO) bench -p highwater-middleware --features tower
	$(CARGO) test --release -p highwater --test held_heap -- --nocapture
	$(CARGO) test --release -p highwater --lib black_box::tests::costs -- --ignored --nocapture
	$(CARGO) test -q -p highwater-e2e --test dependencies -- --nocapture
	$(CARGO) bench -p highwater-e2e --bench capture
	$(CARGO) build --release -p demo
	$(CARGO) build --release -p highwater-e2e --example allocating
	$(CARGO) build --release --manifest-path crates/highwater-e2e/hosts/Cargo.toml -p unprofiled --target-dir target/hosts
	$(CARGO) bench -p highwater-e2e --bench throughput
	$(CARGO) bench -p highwater-e2e --bench page
	crates/highwater-e2e/added.sh

.PHONY: judge
judge: ## Print how often the judgement of growth is wrong: false alarms, leaks told in time, forecasts
	$(CARGO) bench -q -p highwater-model --bench judge

# What rustup cannot give is said by name and not checked, as on a machine without it.
.PHONY: portable
portable: $(NO_JEMALLOC) ## Check the published crates for other systems and with the oldest Rust that they state
	@lacks() { echo "portable: $$1 is NOT CHECKED: rustup cannot give it here" >&2; }; \
	has() { rustup target add $$1 >/dev/null 2>&1 || { lacks $$1; return 1; }; }; \
	export JEMALLOC_OVERRIDE=$(abspath $(NO_JEMALLOC)) TARGET_CC=true TARGET_AR=true; set -e; \
	for target in $(FOREIGN); do \
		if has $$target; then \
			echo "portable: highwater for $$target"; \
			$(CARGO) clippy -q -p highwater --no-default-features --target $$target -- -D warnings; \
			echo "portable: $(PUBLISHED) -p highwater-cli --all-features for $$target"; \
			$(CARGO) clippy -q $(PUBLISHED) -p highwater-cli --all-features --target $$target -- -D warnings; \
		fi; \
	done; \
	if has $(BARE); then echo "portable: highwater-model for $(BARE)"; $(CARGO) check -q -p highwater-model --target $(BARE); fi; \
	if rustup toolchain install $(OLDEST) --profile minimal >/dev/null 2>&1; then \
		echo "portable: highwater with Rust $(OLDEST)"; unset TARGET_CC TARGET_AR; \
		$(CARGO) +$(OLDEST) check -q -p highwater --all-features; $(CARGO) +$(OLDEST) check -q -p highwater-cli; \
	else lacks "Rust $(OLDEST)"; fi

$(NO_JEMALLOC):
	mkdir -p $(@D) && touch $@

.PHONY: advisories
advisories: ## Check the dependencies against the advisories of RustSec (needs its database from GitHub)
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --no-default-features
	$(CARGO) deny check advisories

# What threads share without a channel between them, on weak memory and in MIRI_SEEDS orders. Not by loom: the one table of
# atomics fills cells that are not loom's, and the rest are plain mutexes, where it would show nothing.
MIRI_SEEDS ?= 16
.PHONY: miri
miri: ## Run the tests of what threads share under Miri, in many orders (needs a nightly compiler with miri)
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-many-seeds=0..$(MIRI_SEEDS)" \
		$(CARGO) +nightly miri test -p highwater-sources --lib regions
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-many-seeds=0..$(MIRI_SEEDS)" \
		$(CARGO) +nightly miri test -p highwater --lib -- finished latest delivery pressure

# Without a sanitizer, which looks for what only unsafe code can do: the parsers have none, and run twice as often.
.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZ_TIME seconds each (needs a nightly compiler)
	$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --version $(FUZZ_VERSION) --locked
	for package in highwater highwater-cli highwater-profile; do cd $(CURDIR)/crates/$$package && for target in $$($(CARGO) fuzz list); do \
		mkdir -p fuzz/corpus/$$target && \
		$(CARGO) +nightly fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-dict=fuzz/dictionary -max_total_time=$(FUZZ_TIME) || exit 1; \
	done || exit 1; done

# Of each property few cases: what only a rare input shows would be a table test that is missing.
.PHONY: mutants
mutants: ## Change the judge in every small way, one at a time, and see that a test fails (a quarter of an hour)
	$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install cargo-mutants --version $(MUTANTS_VERSION) --locked
	PROPTEST_CASES=32 $(CARGO) mutants -p highwater-model --output target

.PHONY: race
race: peers ## Race to the limit: what is told before the kernel kills, and after (an hour; needs root and a memory cgroup)
	$(CARGO) bench -p highwater-e2e --bench race

.PHONY: soak
soak: peers ## Run the demo for two hours under changing load, beside a collector that is stopped and started
	$(CARGO) bench -p highwater-e2e --bench soak

.PHONY: pictures
pictures: ## Take the README's pictures of the page again, while the demo leaks (needs Chromium and chromedriver)
	$(CARGO) test -p highwater-e2e --test page -- --ignored --exact pictures::of_a_leak_in_light_and_dark

.PHONY: peers
peers: ## Build the real collector, Prometheus and Jaeger, once, into the user's cache folder
	otel-collector/peers/build.sh

.PHONY: compose-check
compose-check: ## Run compose.yaml for real with images made on the spot (needs a Docker engine, or root and dockerd)
	otel-collector/compose-check.sh

.PHONY: up
up: ## Run demo, collector, Jaeger, Prometheus and Grafana in containers
	docker compose up --build --detach --wait

.PHONY: down
down: ## Stop the containers of `make up` and remove their data
	docker compose down --volumes
