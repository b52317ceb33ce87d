//! One cgroup directory: its limits, what is used of them, and what happened at them.

use std::fs;
use std::path::{Path, PathBuf};

use highwater_model::{Bytes, Candidate, Cgroup, CgroupEvents, Limit, LimitSource};

use super::counts;
use super::locate::Version;
use super::within;
use crate::availability::Availability;
use crate::file::{Kept, Scratch, read_whole};
use crate::parse::{keyed, memory_stat, number};
use crate::platform;

/// A directory with its files for limits, which are open from the start, and those for use, which are opened when needed.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    version: Version,
    max: Kept,
    /// `memory.high` of v2.
    high: Option<Kept>,
    /// `memory.oom_control` of v1, which counts without the children.
    own_kills: Option<Kept>,
    max_limit: Option<Bytes>,
    /// The least limit of the v1 ancestors that cannot be seen.
    hidden_limit: Option<Bytes>,
    high_limit: Option<Bytes>,
    files: Option<Files>,
    /// The last reading. A glance renews the usage alone, so that what is used becomes an estimate.
    latest: Cgroup,
    /// The counts of the last reading.
    counted: CgroupEvents,
}

#[derive(Debug)]
struct Files {
    usage: Kept,
    stat: Kept,
    /// v1 `memory.kmem.usage_in_bytes`; v2 has it in `memory.stat`.
    kernel: Option<Kept>,
    /// v2 `memory.events`, v1 `memory.failcnt`.
    events: Kept,
    pressure: Option<Kept>,
}

impl Directory {
    pub(super) fn open(path: PathBuf, version: Version) -> Self {
        let id = fs::metadata(&path).map_or(0, |metadata| platform::inode(&metadata));
        let (max, high, own_kills) = match version {
            Version::V1 => {
                (Kept::open(&path, "memory.limit_in_bytes"), None, Some(Kept::open(&path, "memory.oom_control")))
            }
            Version::V2 => (Kept::open(&path, "memory.max"), Some(Kept::open(&path, "memory.high")), None),
        };
        let latest = Cgroup { id, ..Cgroup::default() };
        Self {
            path,
            version,
            max,
            high,
            own_kills,
            max_limit: None,
            hidden_limit: None,
            high_limit: None,
            files: None,
            latest,
            counted: CgroupEvents::default(),
        }
    }

    /// Opens the files for use, or those that were not there the last time.
    pub(super) fn open_files(&mut self) {
        match &mut self.files {
            Some(files) => files.retry(),
            None => self.files = Some(Files::open(&self.path, self.version)),
        }
    }

    /// Reads the limits again; one that cannot be read stays what it was.
    ///
    /// The `last` directory of v1 answers for the ancestors that cannot be seen, too. What is used of their limits is then
    /// a lower bound: the part below this directory.
    pub(super) fn read_limits(&mut self, scratch: &mut Scratch, memory: Option<Bytes>, last: bool) {
        self.max.retry();
        if let Some(limit) = self.max.read(scratch, keyed::limit) {
            self.max_limit = limit.filter(|limit| within(*limit, memory));
        }
        if let Some(high) = &mut self.high {
            high.retry();
            if let Some(limit) = high.read(scratch, keyed::limit) {
                self.high_limit = limit.filter(|limit| within(*limit, memory));
            }
        }
        if self.version == Version::V1 && last && self.has_memory() {
            self.open_files();
            let hidden =
                self.files.as_mut().and_then(|files| files.stat.read(scratch, memory_stat::hierarchical_limit));
            if let Some(limit) = hidden {
                self.hidden_limit = limit.filter(|limit| within(*limit, memory));
            }
        }
        if self.is_limited() {
            self.open_files();
        }
    }

    /// Reads what is used and of what it consists.
    pub(super) fn read(&mut self, scratch: &mut Scratch) {
        self.read_usage(scratch);
        let Some(files) = &mut self.files else { return };
        let parse = match self.version {
            Version::V1 => memory_stat::v1,
            Version::V2 => memory_stat::v2,
        };
        let stat = files.stat.read(scratch, parse).unwrap_or_default();
        let kernel = files.kernel.as_mut().and_then(|file| file.read(scratch, keyed::amount));
        self.latest = Cgroup {
            id: self.latest.id,
            usage: self.latest.usage,
            anon: stat.anon,
            file_active: stat.file_active,
            file_inactive: stat.file_inactive,
            shmem: stat.shmem,
            kernel: stat.kernel.or(kernel),
            slab_reclaimable: stat.slab_reclaimable,
            sock: stat.sock,
            ..Cgroup::default()
        };
    }

    /// Reads what is charged, page cache included.
    pub(super) fn read_usage(&mut self, scratch: &mut Scratch) {
        self.latest.usage = self.files.as_mut().and_then(|files| files.usage.read(scratch, keyed::amount));
    }

    /// The last reading of what is used.
    pub(super) fn latest(&self) -> Cgroup {
        self.latest
    }

    /// What happened at the limits so far; of v1 the kills of processes in this directory itself.
    pub(super) fn read_events(&mut self, scratch: &mut Scratch) -> CgroupEvents {
        let events = self.files.as_mut().map(|files| &mut files.events);
        match self.version {
            Version::V1 => CgroupEvents {
                max: events.and_then(|file| file.read(scratch, number)),
                oom_kills: self.own_kills.as_mut().and_then(|file| file.read(scratch, keyed::oom_kills)),
                ..CgroupEvents::default()
            },
            Version::V2 => events.and_then(|file| file.read(scratch, keyed::events)).unwrap_or_default(),
        }
    }

    /// How much each count rose since the last call; unknown where one of the two is.
    pub(super) fn rise(&mut self, now: CgroupEvents) -> CgroupEvents {
        let rise = counts::each(now, self.counted, |now, then| now?.checked_sub(then?));
        self.counted = counts::each(now, self.counted, Option::or);
        rise
    }

    /// Whether kills are counted in the directory of the killed process alone.
    pub(super) fn counts_own_kills(&self) -> bool {
        self.version == Version::V1
    }

    pub(super) fn pressure_file(&mut self) -> Option<&mut Kept> {
        self.files.as_mut()?.pressure.as_mut()
    }

    pub(super) fn pressure_path(&self) -> Option<&Path> {
        self.files.as_ref()?.pressure.as_ref().map(Kept::path)
    }

    /// The file that says when something happens at the limits; v1 has none that could be polled.
    pub(super) fn events_path(&self) -> Option<PathBuf> {
        (self.version == Version::V2).then(|| self.path.join("memory.events"))
    }

    /// The inode.
    pub(super) fn id(&self) -> u64 {
        self.latest.id
    }

    /// Whether the memory controller counts here: the root of v2 and a directory without the controller have no limit file.
    pub(super) fn has_memory(&self) -> bool {
        self.max.is_open()
    }

    pub(super) fn is_limited(&self) -> bool {
        self.hard_limit().is_some() || self.high_limit.is_some()
    }

    /// Each limit here, with what is used.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        let used = self.latest.used();
        [(self.hard_limit(), LimitSource::Cgroup), (self.high_limit, LimitSource::CgroupHigh)].into_iter().filter_map(
            move |(bytes, source)| {
                Some(Candidate { limit: Limit { bytes: bytes?, source, scope: self.id() }, used: used? })
            },
        )
    }

    /// What came of the last attempt to read the limits.
    pub(super) fn limits(&self) -> Availability {
        let high = self.high.as_ref().map_or(Availability::Absent, Kept::availability);
        self.max.availability().and(high)
    }

    /// What came of the last attempt to read each file; a file that this kernel does not have is absent.
    pub(super) fn availability(&self) -> Availability {
        let kills = self.own_kills.as_ref().map_or(Availability::Absent, Kept::availability);
        self.files.iter().map(Files::availability).fold(self.limits().and(kills), Availability::and)
    }

    fn hard_limit(&self) -> Option<Bytes> {
        self.max_limit.into_iter().chain(self.hidden_limit).min()
    }
}

impl Files {
    fn open(path: &Path, version: Version) -> Self {
        match version {
            Version::V1 => Self {
                usage: Kept::open(path, "memory.usage_in_bytes"),
                stat: Kept::open(path, "memory.stat"),
                kernel: Some(Kept::open(path, "memory.kmem.usage_in_bytes")),
                events: Kept::open(path, "memory.failcnt"),
                pressure: None,
            },
            Version::V2 => Self {
                usage: Kept::open(path, "memory.current"),
                stat: Kept::open(path, "memory.stat"),
                kernel: None,
                events: Kept::open(path, "memory.events"),
                pressure: pressure(path),
            },
        }
    }

    /// What came of the last attempt: a cgroup with the memory controller has usage and its parts.
    fn availability(&self) -> Availability {
        let kernel = self.kernel.as_ref().map_or(Availability::Absent, Kept::availability);
        self.usage.required().and(self.stat.required()).and(self.events.availability()).and(kernel)
    }

    fn retry(&mut self) {
        for file in [&mut self.usage, &mut self.stat, &mut self.events] {
            file.retry();
        }
    }
}

/// Whether the cgroup at `path` counts what is used in those below it: only then does its limit bind them.
///
/// Before Linux 5.11 a v1 cgroup need not, by `memory.use_hierarchy`, which cannot change while there are any below.
pub(super) fn counts_below(path: &Path, version: Version) -> bool {
    let own_alone = |content: Vec<u8>| number(&content) == Some(0);
    version == Version::V2 || !read_whole(&path.join("memory.use_hierarchy")).is_ok_and(own_alone)
}

/// The pressure of the unified cgroup at `path`.
///
/// The root's is the whole machine's, which says nothing about this process; the root has no `cgroup.events`.
pub(super) fn pressure(path: &Path) -> Option<Kept> {
    path.join("cgroup.events").exists().then(|| Kept::open(path, "memory.pressure"))
}
