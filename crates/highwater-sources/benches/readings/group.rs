//! A cgroup with a limit for the time of the benchmark.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

pub(crate) struct Group {
    path: PathBuf,
    home: PathBuf,
    is_v1: bool,
}

impl Group {
    /// Makes a cgroup of 4 GiB and enters it; `None` where that is not granted.
    pub(crate) fn enter() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = |key: &str| membership.lines().find_map(|line| line.split_once(key).map(|(_, path)| path.to_owned()));
        let point = |end: &str| {
            let line = mounts.lines().find(|line| line.contains(" - cgroup") && line.ends_with(end))?;
            line.split(' ').nth(4).map(PathBuf::from)
        };
        let (base, own, is_v1) = match own(":memory:") {
            Some(own) => (point(",memory")?, own, true),
            None => (point(" cgroup2 rw").or_else(|| point("memory_recursiveprot"))?, own("0::")?, false),
        };
        let path = base.join(format!("highwater-bench-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let group = Self { path, home: base.join(own.trim_start_matches('/')), is_v1 };
        let limit = if is_v1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(group.path.join(limit), (4_u64 << 30).to_string()).ok()?;
        join(&group.path).ok()?;
        Some(group)
    }

    pub(crate) fn usage(&self) -> PathBuf {
        self.path.join(if self.is_v1 { "memory.usage_in_bytes" } else { "memory.current" })
    }

    /// The files that a sample reads.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let names: &[&str] = if self.is_v1 {
            &["memory.stat", "memory.kmem.usage_in_bytes", "memory.failcnt", "memory.oom_control"]
        } else {
            &["memory.stat", "memory.events", "memory.pressure"]
        };
        names.iter().map(|name| self.path.join(name)).filter(|path| path.exists()).chain([self.usage()]).collect()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}, limited", if self.is_v1 { 1 } else { 2 })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What fails here leaves an empty cgroup behind, and nobody to tell.
        let _ = join(&self.home);
        let _ = fs::remove_dir(&self.path);
    }
}

fn join(path: &Path) -> std::io::Result<()> {
    fs::write(path.join("cgroup.procs"), std::process::id().to_string())
}
