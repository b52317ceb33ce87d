//! All settings of the environment, as lines `NAME=value`.
#![no_main]

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let variables: HashMap<&str, OsString> = content
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let name = std::str::from_utf8(&line[..at]).ok()?;
            Some((name, OsString::from_vec(line[at + 1..].to_vec())))
        })
        .collect();
    highwater::fuzzing::environment(|name| variables.get(name).cloned());
});
