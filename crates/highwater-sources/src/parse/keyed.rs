//! Files of lines `key value`, and files of one value: `memory.events`, `memory.oom_control`, `memory.max`.

use highwater_model::{Bytes, CgroupEvents};

use super::{lines, number, split_once};

/// The keys and numbers of a file; a line without a number is passed over.
pub(crate) fn pairs(content: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    lines(content).filter_map(|line| {
        let (key, value) = split_once(line, b' ')?;
        Some((key, number(value)?))
    })
}

/// A file of one amount, such as `memory.current`.
pub(crate) fn amount(content: &[u8]) -> Option<Bytes> {
    number(content).map(Bytes::new)
}

/// A limit: `Some(None)` is none.
pub(crate) fn limit(content: &[u8]) -> Option<Option<Bytes>> {
    if content.trim_ascii() == b"max" { Some(None) } else { amount(content).map(Some) }
}

/// `memory.events` of cgroup v2, children included.
pub(crate) fn events(content: &[u8]) -> Option<CgroupEvents> {
    let mut events = CgroupEvents::default();
    for (key, count) in pairs(content) {
        match key {
            b"low" => events.low = Some(count),
            b"high" => events.high = Some(count),
            b"max" => events.max = Some(count),
            b"oom" => events.oom = Some(count),
            b"oom_kill" => events.oom_kills = Some(count),
            _ => {}
        }
    }
    (events != CgroupEvents::default()).then_some(events)
}

/// The processes killed, from `memory.oom_control` of cgroup v1: without the children.
pub(crate) fn oom_kills(content: &[u8]) -> Option<u64> {
    pairs(content).find_map(|(key, count)| (key == b"oom_kill").then_some(count))
}

/// `MemTotal` of `/proc/meminfo`.
pub(crate) fn memory_total(content: &[u8]) -> Option<Bytes> {
    let line = lines(content).find_map(|line| line.strip_prefix(b"MemTotal:"))?;
    number(line.trim_ascii().strip_suffix(b" kB")?)?.checked_mul(1024).map(Bytes::new)
}
