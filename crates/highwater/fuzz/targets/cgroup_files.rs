//! The files of a cgroup directory, v1 and v2: amounts, limits, `memory.stat`, events, pressure.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| highwater_sources::fuzzing::cgroup_files(content));
