#!/usr/bin/env bash
# Boots a small machine under each kind of cgroup tree, runs the tests of containers in it, and fails where one of them does.
#
#   guest/run.sh [--where-possible] [TREE...] [-- ARGUMENTS OF THE TESTS]
#   guest/run.sh --race [TREE...]
#
# Trees: v2, v1, hybrid (v1 for memory, v2 beside it), none (a kernel that counts no memory). All without an argument. With
# --where-possible a machine that lacks a tool names what was not run, and does not fail. With --race the race to the limit is
# run in place of the tests, with the collector in the guest too: RACE_CELLS and RACE_RUNS are passed on.
#
# The machine is QEMU's, emulated: it needs no rights and no KVM, and is some ten times slower than this one. Its kernel is
# Debian's, taken out of its package into the user's cache folder; nothing is installed. All else is an archive in memory:
# busybox, the tests, and the programs that they drive.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/highwater/guest
# A boot takes three seconds, the tests of a tree two to three minutes.
deadline=900

fail() { echo "guest: $*" >&2; exit 1; }

possible=
if [[ ${1:-} == --where-possible ]]; then possible=1; shift; fi
race=
if [[ ${1:-} == --race ]]; then race=1; shift; fi
trees=()
while [[ $# -gt 0 && $1 != -- ]]; do trees+=("$1"); shift; done
[[ ${1:-} == -- ]] && shift
[[ ${#trees[@]} -gt 0 ]] || trees=(v2 v1 hybrid none)

# lacks WHAT REMEDY
lacks() {
    [[ $possible ]] || fail "$1: $2"
    echo "guest: $1: cgroup trees ${trees[*]} are NOT TESTED here; $2" >&2
    exit 0
}

need() {
    local missing=()
    command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
    command -v cpio >/dev/null || missing+=(cpio)
    [[ -x /usr/bin/unshare && -x /usr/bin/setpriv ]] || missing+=(util-linux)
    busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1 || missing+=(busybox-static)
    [[ $(uname -sm) == 'Linux x86_64' ]] || lacks "this is no Linux on x86_64" "the tests are built for the guest by this machine"
    [[ ${#missing[@]} -eq 0 ]] || lacks "${missing[*]} is missing" "apt-get install --no-install-recommends ${missing[*]}"
    command -v dpkg-deb >/dev/null && command -v apt-get >/dev/null || lacks "this is no Debian" "its kernel comes as a package"
}

# The newest kernel that the package lists offer, unpacked once.
kernel() {
    local package version
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -1)
    if [[ ! $package ]]; then
        # Without lists, the last one does as well.
        kernel=$(ls -d "$cache"/linux-image-* 2>/dev/null | tail -1)
        [[ $kernel ]] || lacks "no kernel package is known" "apt-get update"
        return
    fi
    version=$(apt-cache show "$package" | sed -n 's/^Version: //p' | head -1)
    kernel=$cache/${package}_$version
    [[ -d $kernel ]] && return
    mkdir -p "$cache"
    local new
    new=$(mktemp -d "$cache/.unpacking.XXXXXX")
    (cd "$new" && apt-get download "$package" >/dev/null 2>&1) || { rm -rf "$new"; lacks "$package cannot be had" "apt-get update"; }
    dpkg-deb -x "$new"/*.deb "$new/all"
    mkdir "$new/kernel"
    mv "$new"/all/boot/vmlinuz-* "$new/kernel/vmlinuz"
    find "$new/all" -name brd.ko -exec mv {} "$new/kernel/" \;
    # Renamed last, so that nobody sees half of it.
    mv -T "$new/kernel" "$kernel" 2>/dev/null || [[ -d $kernel ]]
    rm -rf "$new"
}

# built ARGUMENTS: builds, and prints the executables.
built() {
    (cd "$here" && ${CARGO:-cargo} "$@" --message-format=json-render-diagnostics) | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
}

# The archive: busybox, tests, programs, and the libraries that these ask for.
archive() {
    local test program library
    mkdir -p "$root"/{bin,usr/bin,proc,sys,dev,tmp,tests,programs}
    cp "$here/init" "$root/init"
    cp "$busybox" "$root/bin/busybox"
    # Those of busybox know no namespace of cgroups and no user by number.
    cp /usr/bin/{unshare,setpriv} "$root/usr/bin/"
    cp "$kernel/brd.ko" "$root/"
    echo "$*" >"$root/arguments"
    : >"$root/environment"
    if [[ $race ]]; then
        cp "$(built bench --no-run -p highwater-e2e --bench race | tail -1)" "$root/tests/race"
        cp "$(built build --release -p highwater-e2e --example racer | tail -1)" "$root/programs/racer"
        mkdir "$root/peers"
        cp "$("$here/../../../otel-collector/peers/build.sh")/otelcol" "$root/peers/"
        printf 'export %s="%s"\n' HIGHWATER_PEERS /peers RACE_CELLS "${RACE_CELLS:-}" RACE_RUNS "${RACE_RUNS:-}" >"$root/environment"
    else
        for test in "highwater-sources kernel" "highwater-e2e containers"; do
            read -r package name <<<"$test"
            cp "$(built test --no-run -p "$package" --test "$name" | tail -1)" "$root/tests/$name"
        done
        cp "$(built build --release -p highwater-e2e --example driven | tail -1)" "$root/programs/driven"
        cp "$(built build --release -p demo --bin demo | tail -1)" "$root/programs/demo"
        # The race names a function by the symbols that would go.
        strip "$root"/tests/* "$root"/programs/*
    fi
    # The folder that cargo gave the tests for their files when it built them.
    (cd "$here" && ${CARGO:-cargo} metadata --no-deps --format-version 1) | sed 's/.*"target_directory":"\([^"]*\)".*/\1\/tmp/' >"$root/scratch"
    for library in $(ldd "$root"/tests/* "$root"/programs/* "$root"/usr/bin/* | grep -o '/[^ :]*' | grep -v "^$root" | sort -u); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    (cd "$root" && find . | cpio --quiet -o -H newc) >"$work/archive"
}

# boot TREE: prints what the guest prints, once it has ended; succeeds where its tests did.
boot() {
    local said=$work/$1 options=
    if [[ $1 == none ]]; then options=cgroup_disable=memory; fi
    timeout "$deadline" qemu-system-x86_64 -accel tcg -cpu max -m 2G -smp 2 -nographic -no-reboot -nic none \
        -kernel "$kernel/vmlinuz" -initrd "$work/archive" \
        -append "console=ttyS0 loglevel=1 panic=1 rdinit=/init highwater.tree=$1 $options" </dev/null |
        tr -d '\r' | sed -n '/^guest: /,$p' >"$said"
    cat "$said"
    grep -q "^guest: $1: passed" "$said"
}

need
kernel
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
archive "$@"
# Two at a time: they wait more than they work.
failed=0 running=0
for tree in "${trees[@]}"; do
    if ((running == 2)); then
        wait -n || failed=$((failed + 1))
        running=$((running - 1))
    fi
    boot "$tree" &
    running=$((running + 1))
done
while ((running > 0)); do
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
done
((failed == 0)) || fail "$failed of ${#trees[@]} trees failed: ${trees[*]}"
echo "guest: passed under ${trees[*]} in $SECONDS s"
