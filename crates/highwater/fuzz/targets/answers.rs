//! What a collector answers, by HTTP and by gRPC: a line with the status, lines `header: value`, an empty line, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let end = content.windows(2).position(|window| window == b"\n\n").unwrap_or(content.len());
    let (head, body) = content.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.parse().ok()).unwrap_or(200);
    highwater::fuzzing::answer(status, lines, body.get(2..).unwrap_or_default());
});
