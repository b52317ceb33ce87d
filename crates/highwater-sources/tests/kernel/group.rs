//! Cgroups of the real kernel, made for one test and removed after it.

use std::fs;
use std::path::{Path, PathBuf};

/// A memory cgroup below the root of the hierarchy that has the controller.
pub(crate) struct Group {
    path: PathBuf,
    is_v1: bool,
}

impl Group {
    /// Makes one, or says what is missing.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let find = |kind: &str, option: &str| {
            mounts.lines().find_map(|line| {
                let (mount, file_system) = line.split_once(" - ")?;
                let mut words = file_system.split(' ');
                let matches = words.next()? == kind && words.nth(1)?.split(',').any(|each| each == option);
                matches.then(|| PathBuf::from(mount.split(' ').nth(4).unwrap_or_default()))
            })
        };
        let (base, is_v1) = match (find("cgroup", "memory"), find("cgroup2", "rw")) {
            (Some(base), _) => (base, true),
            (None, Some(base)) => (base, false),
            (None, None) => return Err("no hierarchy of cgroups can be written".to_owned()),
        };
        let group = Self { path: base.join(format!("highwater-test-{}-{name}", std::process::id())), is_v1 };
        fs::create_dir(&group.path).map_err(|error| format!("{}: {error}", group.path.display()))?;
        let limit = group.path.join(group.limit_file());
        if !limit.exists() {
            return Err(format!("{}: the memory controller is not delegated", limit.display()));
        }
        Ok(group)
    }

    /// A group of the unified hierarchy beside a v1 one, as on hybrid systems.
    pub(crate) fn unified(name: &str) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).ok_or("no unified hierarchy")?;
        let base = PathBuf::from(mount.split(' ').nth(4).unwrap_or_default());
        let group = Self { path: base.join(format!("highwater-test-{}-{name}", std::process::id())), is_v1: false };
        fs::create_dir(&group.path).map_err(|error| format!("{}: {error}", group.path.display()))?;
        if fs::read(group.path.join("memory.pressure")).is_err() {
            return Err("the kernel has no pressure information".to_owned());
        }
        Ok(group)
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.is_v1
    }

    /// A group below this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        let path = self.path.join(name);
        fs::create_dir(&path).unwrap();
        Self { path, is_v1: self.is_v1 }
    }

    /// Lets children be limited; v2 asks for it.
    pub(crate) fn delegate(&self) {
        if !self.is_v1 {
            fs::write(self.path.join("cgroup.subtree_control"), "+memory").unwrap();
        }
    }

    pub(crate) fn limit(&self, bytes: u64) {
        fs::write(self.path.join(self.limit_file()), bytes.to_string()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn id(&self) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(&self.path).unwrap())
    }

    pub(crate) fn usage(&self) -> u64 {
        let name = if self.is_v1 { "memory.usage_in_bytes" } else { "memory.current" };
        fs::read_to_string(self.path.join(name)).unwrap().trim().parse().unwrap()
    }

    /// What could be taken back, by the plainest reading of the kernel's file.
    pub(crate) fn reclaimable(&self) -> u64 {
        let keys: &[&str] = if self.is_v1 {
            &["total_active_file ", "total_inactive_file "]
        } else {
            &["active_file ", "inactive_file ", "slab_reclaimable "]
        };
        let stat = fs::read_to_string(self.path.join("memory.stat")).unwrap();
        let value = |line: &str| keys.iter().find_map(|key| line.strip_prefix(key)?.parse::<u64>().ok());
        stat.lines().filter_map(value).sum()
    }

    fn limit_file(&self) -> &'static str {
        if self.is_v1 { "memory.limit_in_bytes" } else { "memory.max" }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets a process go a little after it has ended.
        for _ in 0..500 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}
