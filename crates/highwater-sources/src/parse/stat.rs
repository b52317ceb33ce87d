//! `/proc/self/stat`: page faults and the start time, by position.

use super::{number, words};

/// What is taken from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Page faults that needed no disk.
    pub(crate) minor_faults: u64,
    /// Page faults that needed the disk.
    pub(crate) major_faults: u64,
}

/// Page faults, fields 10 and 12 as proc_pid_stat(5) counts them.
pub(crate) fn parse(content: &[u8]) -> Option<Stat> {
    let mut fields = after_name(content)?;
    let minor_faults = number(fields.nth(7)?)?;
    let major_faults = number(fields.nth(1)?)?;
    Some(Stat { minor_faults, major_faults })
}

/// When the process started in clock ticks since boot, field 22.
pub(crate) fn start_ticks(content: &[u8]) -> Option<u64> {
    number(after_name(content)?.nth(19)?)
}

/// When the system booted in seconds of the Unix epoch: `btime` of `/proc/stat`.
pub(crate) fn boot_seconds(content: &[u8]) -> Option<u64> {
    super::lines(content).find_map(|line| number(line.strip_prefix(b"btime ")?))
}

/// The fields from the third on: the second is the name in parentheses, which may contain blanks and parentheses.
fn after_name(content: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let end = content.iter().rposition(|byte| *byte == b')')?;
    Some(words(content.get(end.checked_add(1)?..)?))
}
