#!/usr/bin/env bash
# Builds the real programs that the end-to-end tests talk to: otelcol, prometheus, promtool, jaeger.
#
#   peers/build.sh             prints the folder that holds them, as its last line; progress goes to standard error
#   peers/build.sh compose     also builds docker-compose into it (compose-check.sh asks for it where there is none)
#
# They come as Go modules, pinned by go.mod and held by go.sum and Go's checksum database, so that a bare machine needs
# nothing but Go. The first build takes some ten minutes on two cores; then the folder is there and the answer instant.
# The folder is named by a hash of all that decides its content: a changed pin builds anew, an unchanged one is shared
# by every checkout. Older folders stay, since another checkout may use them; any may be deleted at any time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
manifest=$(dirname "$here")/builder.yaml
cache=${XDG_CACHE_HOME:-$HOME/.cache}/highwater/peers

say() { echo "peers: $*" >&2; }
fail() { say "$*"; exit 1; }

# GNU's spelling of the tool, or that of BSD and macOS.
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# The kind of machine counts too: a home folder may be shared between machines.
hash=$( (uname -sm; cat "$manifest" "$here/build.sh" "$here"/*/go.mod "$here"/*/go.sum) | sha256 | cut -c1-16)
peers=$cache/$hash

require_go() {
    command -v go >/dev/null || fail "Go is not installed. It builds the collector, Prometheus and Jaeger: install Go 1.26 or later."
    # Asked in the module with the highest need: a Go that may fetch a newer toolchain does, one that may not says why.
    local why
    why=$(go -C "$here/prometheus" list -m 2>&1 >/dev/null) || fail "this Go ($(go env GOVERSION)) cannot build the peers: $why"
    # Static, so that they also run in an image FROM scratch; a Go workspace around us does not count.
    export CGO_ENABLED=0 GOWORK=off GOFLAGS="${GOFLAGS:-} -buildvcs=false"
}

# module FOLDER PROGRAM PACKAGE [FLAG...]: builds one program by a module of ours, whose go.sum pins everything below it.
module() {
    say "building $2"
    go -C "$here/$1" build -mod=readonly -trimpath -ldflags '-s -w' "${@:4}" -o "$new/$2" "$3"
}

collector() {
    say "building otelcol"
    local version
    version=$(sed -n 's/^  version: //p' "$manifest")
    # The builder writes a Go program into the current folder, and a log of its own, which is progress.
    (cd "$new" && go run "go.opentelemetry.io/collector/cmd/builder@v$version" --config="$manifest" --ldflags='-s -w' >&2)
    mv "$new/otelcol-source/otelcol" "$new/otelcol"
    rm -rf "$new/otelcol-source"
}

# Prometheus without its service discovery for two dozen clouds, which no test uses: most of its build is that.
programs() {
    collector
    module prometheus prometheus github.com/prometheus/prometheus/cmd/prometheus -tags remove_all_sd
    module prometheus promtool github.com/prometheus/prometheus/cmd/promtool -tags remove_all_sd
    module jaeger jaeger github.com/jaegertracing/jaeger/cmd/jaeger
}

# Each rename comes last and gives the result its name at once, so that nobody ever sees half of it.
build() {
    [[ -d $peers ]] && [[ ${1:-} != compose || -x $peers/docker-compose ]] && return
    require_go
    new=$(mktemp -d "$cache/.building.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    if [[ ! -d $peers ]]; then
        programs
        chmod 755 "$new"
        mv "$new" "$peers"
        mkdir "$new"
    fi
    if [[ ${1:-} == compose ]]; then
        module compose docker-compose github.com/docker/compose/v2/cmd
        mv "$new/docker-compose" "$peers/"
    fi
    say "built in $SECONDS s: $peers"
}

case ${1:-} in
    '' | compose) ;;
    *) fail "unknown argument '$1': give none, or 'compose'" ;;
esac

mkdir -p "$cache"
# A second run waits for the first, then finds its folder. The builds themselves do not inherit the lock: what they
# leave running must not hold it.
(
    if command -v flock >/dev/null; then
        flock 9
        rm -rf "$cache"/.building.* # of a run that was killed: nobody else builds now
    fi
    build "$@" 9>&-
) 9>"$cache/lock"

echo "$peers"
