//! Whatever a box's file holds, it is read or refused, and what was read can be judged and told.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| highwater::fuzzing::black_box(content));
