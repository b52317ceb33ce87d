//! `/proc/self/cgroup` joined with `/proc/self/mountinfo`, a `~` between the two.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let mut files = content.splitn(2, |byte| *byte == b'~');
    let (membership, mounts) = (files.next().unwrap_or_default(), files.next().unwrap_or_default());
    highwater_sources::fuzzing::cgroup_places(membership, mounts);
});
