//! A memory limit of the real kernel: a cgroup made for one test, and removed after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wait;

/// The hierarchy that has the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `memory.limit_in_bytes`.
    V1,
    /// `memory.max`.
    V2,
}

/// A memory cgroup, removed with this.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    version: Version,
}

impl Cgroup {
    /// Makes one with a limit, directly below the root of the hierarchy.
    ///
    /// `None` where this machine or this user has none to give; the test then says so, by its name, and proves nothing.
    pub fn limited(test: &str, bytes: u64) -> Option<Self> {
        let cgroup = Self::unlimited(test)?;
        cgroup.resize(bytes);
        cgroup.set_swap(Some(0));
        Some(cgroup)
    }

    /// The same, without a limit.
    pub fn unlimited(test: &str) -> Option<Self> {
        match Self::new() {
            Ok(cgroup) => Some(cgroup),
            Err(why) => {
                crate::not_shown(test, &why);
                None
            }
        }
    }

    fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (base, version) = hierarchy()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("highwater-e2e-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        let limit = path.join(limit_file(version));
        // Dropped with its directory where it cannot be limited.
        let cgroup = Self { path, version };
        fs::metadata(&limit).map_err(|error| format!("cannot limit {}: {error}", limit.display()))?;
        Ok(cgroup)
    }

    /// One below it, without a limit of its own.
    pub fn child(&self, name: &str) -> Self {
        if self.version == Version::V2 {
            enable(&self.path).unwrap();
        }
        let path = self.path.join(name);
        fs::create_dir(&path).unwrap();
        Self { path, version: self.version }
    }

    /// Limits it to so much, also while it is in use.
    pub fn resize(&self, bytes: u64) {
        fs::write(self.path.join(limit_file(self.version)), bytes.to_string())
            .unwrap_or_else(|error| panic!("cannot limit {} to {bytes}: {error}", self.path.display()));
    }

    /// Slows its processes down from so much on: `memory.high`, of v2 alone.
    pub fn slow_down_from(&self, bytes: u64) {
        fs::write(self.path.join("memory.high"), bytes.to_string()).unwrap();
    }

    /// Lets it swap out so much, or all that there is. Without swap a limit is felt; where swap is not counted there is none.
    pub fn set_swap(&self, bytes: Option<u64>) {
        let most = bytes.map_or_else(|| "max".to_owned(), |bytes| bytes.to_string());
        let _ = match (self.version, bytes) {
            (Version::V2, _) => fs::write(self.path.join("memory.swap.max"), most),
            // Memory and swap together. The limit of memory alone can be no larger.
            (Version::V1, Some(swap)) => {
                let limit = fs::read_to_string(self.path.join(limit_file(self.version))).unwrap();
                let both = limit.trim().parse::<u64>().unwrap() + swap;
                fs::write(self.path.join("memory.memsw.limit_in_bytes"), both.to_string())
            }
            (Version::V1, None) => fs::write(self.path.join("memory.memsw.limit_in_bytes"), "-1"),
        };
    }

    /// Moves a process into it, with its memory to come; what it has stays charged to where it was.
    pub fn enter(&self, process: u32) {
        fs::write(self.processes(), process.to_string()).unwrap();
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its hierarchy is mounted.
    pub fn mount_point(&self) -> PathBuf {
        hierarchy().unwrap().0
    }

    /// The version of its hierarchy.
    pub fn version(&self) -> Version {
        self.version
    }

    /// All memory charged to it, page cache included.
    pub fn usage(&self) -> u64 {
        let file = self.path.join(self.file("memory.usage_in_bytes", "memory.current"));
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    /// Whether the kernel says how long its processes, or on v1 those of the test, are stalled on memory.
    pub fn has_pressure(&self) -> bool {
        match self.version {
            Version::V1 => unified().is_some_and(|unified| is_pressure_of(&unified)),
            Version::V2 => is_pressure_of(&self.path),
        }
    }

    /// The file that a process enters it by.
    pub(crate) fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    fn file(&self, v1: &'static str, v2: &'static str) -> &'static str {
        match self.version {
            Version::V1 => v1,
            Version::V2 => v2,
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel lets a process go a little after it has ended.
        let remove = || match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => None,
            result => Some(result),
        };
        if std::thread::panicking() {
            let _ = remove();
        } else {
            let _ = wait::until("the cgroup is empty", remove);
        }
    }
}

fn limit_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    }
}

/// Where the hierarchy with the memory controller is mounted.
fn hierarchy() -> Result<(PathBuf, Version), String> {
    if let Some(base) = mounted("cgroup", "memory") {
        return Ok((base, Version::V1));
    }
    let base = mounted("cgroup2", "rw").ok_or("no hierarchy of cgroups is mounted to be written")?;
    let controllers = fs::read_to_string(base.join("cgroup.subtree_control")).unwrap_or_default();
    if controllers.split_whitespace().all(|controller| controller != "memory") {
        enable(&base)?;
    }
    Ok((base, Version::V2))
}

fn enable(base: &Path) -> Result<(), String> {
    let control = base.join("cgroup.subtree_control");
    fs::write(&control, "+memory").map_err(|error| format!("no memory controller by {}: {error}", control.display()))
}

/// The cgroup of this process in the unified hierarchy.
fn unified() -> Option<PathBuf> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(mounted("cgroup2", "rw")?.join(path))
}

/// The root's pressure is the whole machine's: it counts for nobody. A kernel that was told not to measure cannot be read.
fn is_pressure_of(unified: &Path) -> bool {
    unified.join("cgroup.events").exists() && fs::read_to_string(unified.join("memory.pressure")).is_ok()
}

/// Where a file system of this kind with this option is mounted.
fn mounted(kind: &str, option: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = file_system.split(' ');
        let matches = words.next()? == kind && words.nth(1)?.split(',').any(|each| each == option);
        matches.then(|| PathBuf::from(mount.split(' ').nth(4).unwrap_or_default()))
    })
}
