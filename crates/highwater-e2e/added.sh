#!/usr/bin/env bash
# What the agent adds to a clean release build of a small actix-web service: seconds and bytes.
#
# Three packages are made outside the workspace and built from nothing, one after the other: the service, the service with
# the agent, and the service with the agent and jemalloc. CPU time is what counts on a machine that does other things too.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make NAME DEPENDENCY MACRO START: one package, its binary in $work/NAME.
make() {
    local name=$1 dependency=$2 macro=$3 start=$4
    mkdir -p "$work/$name/src"
    cp "$root/Cargo.lock" "$work/$name/"
    cat >"$work/$name/Cargo.toml" <<TOML
[package]
name = "$name"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.release]
strip = true

[dependencies]
actix-web = { version = "4.18", default-features = false, features = ["macros"] }
$dependency
TOML
    cat >"$work/$name/src/main.rs" <<RUST
use actix_web::{App, HttpServer, web};

$macro

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    $start
    HttpServer::new(|| App::new().route("/", web::get().to(async || "hello"))).bind(("127.0.0.1", 0))?.run().await
}
RUST
    (cd "$work/$name" && cargo fetch --quiet)
}

# build NAME: prints CPU seconds, wall seconds and bytes.
build() {
    local times TIMEFORMAT='%U %S %R'
    times=$( { time compile "$1" 2>/dev/null; } 2>&1)
    awk -v size="$(stat -c %s "$work/$1/target/release/$1")" '{printf "%.1f %.1f %d\n", $1 + $2, $3, size}' <<<"$times"
    rm -rf "$work/$1/target"
}

compile() {
    (cd "$work/$1" && CARGO_TARGET_DIR="$work/$1/target" cargo build --release --quiet --offline)
}

agent="highwater = { path = \"$root/crates/highwater\" }"
with_jemalloc="highwater = { path = \"$root/crates/highwater\", features = [\"jemalloc\"] }"
make service "" "" ""
make service-agent "$agent" "" "let _highwater = highwater::start();"
make service-jemalloc "$with_jemalloc" "highwater::jemalloc!();" "let _highwater = highwater::start();"

printf '%-18s %10s %10s %12s\n' package 'CPU s' 'wall s' bytes
for name in service service-agent service-jemalloc; do
    read -r cpu wall bytes <<<"$(build "$name")"
    printf '%-18s %10s %10s %12s\n' "$name" "$cpu" "$wall" "$bytes"
done
