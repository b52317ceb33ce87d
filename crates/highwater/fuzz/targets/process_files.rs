//! `/proc/self/statm`, `stat` and `status`, `/proc/stat` and `/proc/meminfo`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| highwater_sources::fuzzing::process_files(content));
