#!/bin/sh
# rustdoc with the options that a stable one has only when asked this way: JSON is one of them.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
