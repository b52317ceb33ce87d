//! The sources as a program has them, over a tree of files that changes between two readings.
//!
//! The input is the content of the files in the order of [`FILES`], a `~` after each; where it goes on, the files are
//! written again from the first.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use highwater_model::{Bytes, Limit, SinceStart};
use highwater_sources::{Options, Regions, Sources, container_id, process_start_time};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const FILES: [&str; 22] = [
    "proc/self/cgroup",
    "proc/self/mountinfo",
    "proc/meminfo",
    "proc/stat",
    "proc/self/statm",
    "proc/self/status",
    "proc/self/stat",
    "sys/fs/cgroup/a/memory.max",
    "sys/fs/cgroup/a/memory.high",
    "sys/fs/cgroup/a/memory.current",
    "sys/fs/cgroup/a/memory.stat",
    "sys/fs/cgroup/a/memory.events",
    "sys/fs/cgroup/a/memory.pressure",
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory.current",
    "sys/fs/cgroup/memory.stat",
    "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
    "sys/fs/cgroup/memory/a/memory.usage_in_bytes",
    "sys/fs/cgroup/memory/a/memory.stat",
    "sys/fs/cgroup/memory/a/memory.failcnt",
    "sys/fs/cgroup/memory/a/memory.oom_control",
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// In memory where the system has such a folder: each input writes all files.
static ROOT: LazyLock<TempDir> = LazyLock::new(|| {
    let root = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder");
    for folder in ["proc/self", "sys/fs/cgroup/a", "sys/fs/cgroup/memory/a"] {
        std::fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    root
});

fuzz_target!(|content: &[u8]| {
    let root = ROOT.path();
    let mut contents = content.split(|byte| *byte == b'~');
    write(root, &mut contents);
    let configured = content.len().is_multiple_of(2).then_some(Bytes::mib(64));
    let options = Options { root: root.to_path_buf(), limit: configured, ..Options::default() };
    let mut sources = Sources::open(options, Arc::new(Regions::new()));
    read(&mut sources, 1);
    write(root, &mut contents);
    read(&mut sources, 2);
    sources.refresh();
    read(&mut sources, 3);
    let _ = (container_id(root), process_start_time(root));
});

fn write<'a>(root: &Path, contents: &mut impl Iterator<Item = &'a [u8]>) {
    for (file, content) in FILES.iter().zip(contents) {
        std::fs::write(root.join(file), content).expect("a file");
    }
}

fn read(sources: &mut Sources, second: u64) {
    let glance = sources.glance(SinceStart::from_secs(second));
    judgeable(glance.used, glance.limit);
    let sample = sources.sample(SinceStart::from_secs(second));
    judgeable(sample.used, sample.limit);
    assert!(sample.utilization().is_none_or(f64::is_finite), "{sample:?}");
}

/// A limit is known only together with what is used of it, and is never nothing or without bound.
fn judgeable(used: Option<Bytes>, limit: Option<Limit>) {
    if let Some(limit) = limit {
        assert!(used.is_some() && limit.bytes.get() < 1 << 62, "{used:?} of {limit:?}");
    }
}
