//! A fixture tree: the files that a process would see, below a folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that cannot be written is a failed test")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers of a test are known")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_model::{Bytes, Glance, Sample, SinceStart};
use highwater_sources::{Availability, Options, Regions, Source, Sources};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// What the process itself uses in each tree: 100 MiB anonymous, 10 MiB shared, 5 MiB swapped.
pub(crate) const OWN: Bytes = Bytes::mib(115);

pub(crate) struct Tree(TempDir);

impl Tree {
    /// A process on a machine of 16 GiB, in no cgroup.
    pub(crate) fn new() -> Self {
        let tree = Self(TempDir::new().expect("a temporary folder"));
        tree.write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        1 kB\n");
        tree.write("proc/self/statm", "100000 33280 7680 10 0 400 0\n");
        tree.write(
            "proc/self/status",
            "Name:\ttest\nVmHWM:\t 204800 kB\nVmRSS:\t 133120 kB\nRssAnon:\t 102400 kB\nRssFile:\t 20480 kB\n\
             RssShmem:\t 10240 kB\nVmSwap:\t 5120 kB\nThreads:\t4\nSigQ:\t0/1\n",
        );
        tree.write("proc/self/stat", "7 (test) S 1 7 7 0 -1 0 500 0 20 0 1 2 0 0 20 0 4 0 12345 1048576 812 1 1 1\n");
        tree
    }

    /// A process in `path` of a v2 hierarchy that is mounted whole.
    pub(crate) fn v2(path: &str) -> Self {
        let tree = Self::new();
        tree.write("proc/self/cgroup", &format!("0::{path}\n"));
        tree.write("proc/self/mountinfo", "31 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        tree
    }

    /// A process in `path` of a v1 memory hierarchy of which `root` is mounted.
    pub(crate) fn v1(path: &str, root: &str) -> Self {
        let tree = Self::new();
        tree.write("proc/self/cgroup", &format!("3:cpuset:/\n4:memory:{path}\n"));
        let mount = format!("35 31 0:32 {root} /sys/fs/cgroup/memory rw shared:7 - cgroup cgroup rw,memory\n");
        tree.write("proc/self/mountinfo", &mount);
        tree
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn append(&self, path: &str, content: &str) {
        let old = fs::read_to_string(self.at(path)).unwrap();
        self.write(path, &format!("{old}{content}"));
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.at(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// A v2 directory with `usage` MiB, of which 30 MiB of active and 20 MiB of inactive files and 10 MiB of slab can be
    /// reclaimed: 60 MiB less is used.
    pub(crate) fn v2_directory(&self, path: &str, max: &str, usage: u64) {
        let file = |name: &str| format!("sys/fs/cgroup/{path}/{name}");
        self.write(&file("cgroup.events"), "populated 1\nfrozen 0\n");
        self.write(&file("memory.max"), &format!("{max}\n"));
        self.write(&file("memory.high"), "max\n");
        self.write(&file("memory.current"), &format!("{}\n", usage * MIB));
        self.write(
            &file("memory.stat"),
            &format!(
                "anon {}\nfile 1\nkernel {}\nkernel_stack 1\nsock {}\nshmem {}\ninactive_anon 1\nactive_anon 1\n\
                 inactive_file {}\nactive_file {}\nunevictable 0\nslab_reclaimable {}\nslab_unreclaimable 1\nslab 1\n",
                40 * MIB,
                12 * MIB,
                MIB,
                3 * MIB,
                20 * MIB,
                30 * MIB,
                10 * MIB
            ),
        );
        self.write(&file("memory.events"), "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n");
        self.write(
            &file("memory.pressure"),
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2000\n",
        );
    }

    /// A v1 directory with `usage` MiB, of which 30 MiB of active and 20 MiB of inactive files can be reclaimed.
    pub(crate) fn v1_directory(&self, path: &str, limit: u64, hierarchical: u64, usage: u64) {
        let file = |name: &str| format!("sys/fs/cgroup/memory/{path}/{name}");
        self.write(&file("memory.limit_in_bytes"), &format!("{limit}\n"));
        self.write(&file("memory.usage_in_bytes"), &format!("{}\n", usage * MIB));
        self.write(&file("memory.kmem.usage_in_bytes"), &format!("{}\n", 2 * MIB));
        self.write(&file("memory.failcnt"), "6\n");
        self.write(&file("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        self.write(
            &file("memory.stat"),
            &format!(
                "cache 1\nrss 1\nhierarchical_memory_limit {hierarchical}\ntotal_cache 1\ntotal_rss {}\n\
                 total_shmem {}\ntotal_inactive_file {}\ntotal_active_file {}\ntotal_unevictable 0\n",
                40 * MIB,
                3 * MIB,
                20 * MIB,
                30 * MIB
            ),
        );
    }

    pub(crate) fn open(&self) -> Sources {
        self.open_with(None)
    }

    pub(crate) fn open_with(&self, limit: Option<Bytes>) -> Sources {
        Sources::open(
            Options { root: self.path().to_path_buf(), limit, ..Options::default() },
            Arc::new(Regions::new()),
        )
    }

    /// The inode of a directory, by which readings name it.
    pub(crate) fn id(&self, path: &str) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(self.at(path)).unwrap())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }
}

pub(crate) fn sample(sources: &mut Sources) -> Sample {
    sources.sample(SinceStart::from_secs(1))
}

pub(crate) fn glance(sources: &mut Sources) -> Glance {
    sources.glance(SinceStart::from_secs(2))
}

pub(crate) fn availability(sources: &Sources, source: Source) -> Availability {
    sources.availability().into_iter().find(|(each, _)| *each == source).expect("each source").1
}

/// Why `source` is unavailable, as text.
pub(crate) fn reason(sources: &Sources, source: Source) -> String {
    match availability(sources, source) {
        Availability::Unavailable(reason) => reason.to_string(),
        other => format!("{other:?}"),
    }
}
