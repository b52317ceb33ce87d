#!/usr/bin/env bash
# What the agent adds to a clean release build of a small actix-web service: seconds and bytes.
#
# Packages are made outside the workspace and built from nothing, one after the other: the service, the service with the
# agent, and that with each of its features that cost something. Arguments name those that are to be built, else it is all.
# CPU time is what counts on a machine that does other things too.
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

# with FEATURES: the agent as a dependency.
with() {
    echo "highwater = { path = \"$root/crates/highwater\", features = [$1] }"
}

start="let _highwater = highwater::start();"
make service "" "" ""
make service-agent "$(with "")" "" "$start"
make service-jemalloc "$(with '"jemalloc"')" "highwater::jemalloc!();" "$start"
make service-gzip "$(with '"gzip"')" "" "$start"
make service-tls "$(with '"tls"')" "" "$start"
make service-grpc "$(with '"grpc"')" "" "$start"
make service-all "$(with '"gzip", "tls", "grpc"')" "" "$start"

[ $# -gt 0 ] || set -- service service-agent service-jemalloc service-gzip service-tls service-grpc service-all
printf '%-18s %10s %10s %12s\n' package 'CPU s' 'wall s' bytes
for name in "$@"; do
    read -r cpu wall bytes <<<"$(build "$name")"
    printf '%-18s %10s %10s %12s\n' "$name" "$cpu" "$wall" "$bytes"
done
