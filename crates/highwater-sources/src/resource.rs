//! Who this process is: when it started, and in which container it runs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::file::read_whole;
use crate::parse::{container, stat};
use crate::platform;

/// When this process started, to the accuracy of the kernel's boot time: a second.
///
/// From `/proc/self/stat` and `/proc/stat` below `root`, which is `/` but in tests. `None` where those cannot be read.
pub fn process_start_time(root: &Path) -> Option<SystemTime> {
    start_time(root, "self")
}

/// The same of another process.
pub fn start_time_of(root: &Path, process: u32) -> Option<SystemTime> {
    start_time(root, &process.to_string())
}

fn start_time(root: &Path, process: &str) -> Option<SystemTime> {
    let ticks = stat::start_ticks(&read_whole(&root.join("proc").join(process).join("stat")).ok()?)?;
    let boot = stat::boot_seconds(&read_whole(&root.join("proc/stat")).ok()?)?;
    let second = platform::clock_ticks()?;
    let nanos = ticks.checked_rem(second)?.checked_mul(1_000_000_000)?.checked_div(second)?;
    let since_boot = Duration::from_secs(ticks.checked_div(second)?).checked_add(Duration::from_nanos(nanos))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot))?.checked_add(since_boot)
}

/// The id of the machine's present start: another one after each. `None` where the system has none.
///
/// From `/proc/sys/kernel/random/boot_id` below `root`, which is `/` but in tests.
pub fn boot_id(root: &Path) -> Option<String> {
    let id = read_whole(&root.join("proc/sys/kernel/random/boot_id")).ok()?;
    let id = std::str::from_utf8(&id).ok()?.trim();
    (!id.is_empty() && id.len() <= 64).then(|| id.to_owned())
}

/// The id of the machine, the same after each of its starts, as systemd and others write it when a system is installed.
///
/// From `/etc/machine-id` below `root`, which is `/` but in tests. `None` where there is none, as in most containers. An image
/// that brings one gives it to every machine that it runs on.
pub fn machine_id(root: &Path) -> Option<String> {
    let id = read_whole(&root.join("etc/machine-id")).ok()?;
    let id = std::str::from_utf8(&id).ok()?.trim();
    (id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// When the machine started, to a second.
///
/// From `/proc/stat` below `root`, which is `/` but in tests. `None` where that cannot be read.
pub fn boot_time(root: &Path) -> Option<SystemTime> {
    let boot = stat::boot_seconds(&read_whole(&root.join("proc/stat")).ok()?)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot))
}

/// The id of the container that this process runs in, 64 hexadecimal digits, as far as the process itself can see it.
///
/// From `/proc/self/cgroup` below `root`, which is `/` but in tests; else from `/proc/self/mountinfo`. `None` outside of
/// containers, and where a namespace hides the id, as in Kubernetes with cgroup v2.
pub fn container_id(root: &Path) -> Option<String> {
    let own = root.join("proc/self");
    let membership = read_whole(&own.join("cgroup")).unwrap_or_default();
    if let Some(id) = container::in_membership(&membership) {
        return Some(id.to_owned());
    }
    container::in_mounts(&read_whole(&own.join("mountinfo")).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_an_id_of_32_digits_or_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(machine_id(root.path()), None);
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        for (content, read) in [
            (format!("{id}\n"), Some(id)),
            ("uninitialized\n".to_owned(), None),
            (String::new(), None),
            ("x".repeat(32), None),
        ] {
            std::fs::write(root.path().join("etc/machine-id"), content).unwrap();
            assert_eq!(machine_id(root.path()).as_deref(), read);
        }
    }
}
