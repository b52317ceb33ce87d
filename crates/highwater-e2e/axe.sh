#!/usr/bin/env bash
# Fetches axe-core, the checker of accessibility, once, into the user's cache folder, and prints the path of the script.
#
# A program of 600 KB that only a test runs: pinned by its version and its hash here rather than kept in the repository.
set -euo pipefail

version=4.14.1
hash=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c # of the script in the package

folder=${XDG_CACHE_HOME:-$HOME/.cache}/highwater/axe-core/$version
script=$folder/axe.min.js

fail() { echo "axe: $*" >&2; exit 1; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

if [[ ! -f $script ]]; then
    command -v npm >/dev/null || fail "npm is not installed. It fetches axe-core, which checks the page's accessibility."
    mkdir -p "$folder"
    new=$(mktemp -d "$folder/.new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    npm pack --silent --pack-destination "$new" "axe-core@$version" >&2 || fail "npm gives no axe-core $version"
    tar -xzf "$new"/*.tgz -C "$new" package/axe.min.js
    found=$(sha256 "$new/package/axe.min.js")
    [[ $found == "$hash" ]] || fail "axe-core $version is another one than was pinned: $found"
    # The rename comes last: nobody ever sees half of it.
    mv "$new/package/axe.min.js" "$script"
fi
echo "$script"
