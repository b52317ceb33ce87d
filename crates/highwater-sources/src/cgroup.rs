//! The cgroups that this process is in: which limits stand over it, and what is used of each.
//!
//! The process's own directory and its ancestors up to the mount point form a chain of at most [`MAX_DEPTH`] directories;
//! on v1 it ends below the first that does not count what is used below it. Each limit in the chain is a candidate, with
//! what is used in that same directory. Only directories that matter are read at a sample: those with a limit, or the
//! process's own where none has one.

use std::path::{Path, PathBuf};

use highwater_model::{Bytes, Candidate, Cgroup, CgroupEvents, limit};

use self::counts::Counts;
use self::directory::Directory;
use self::locate::{Hierarchy, Located, Version};
use crate::availability::{Availability, Fault, Reason};
use crate::file::{Kept, Scratch, read_whole};
use crate::parse::{keyed, pressure};
use crate::platform;

mod counts;
mod directory;
mod locate;

/// The directories that are kept, from the process's own upwards. It bounds the descriptors: each directory costs two,
/// one with a limit six. Kubernetes nests four deep, a user session of systemd five; of a tree that is deeper than this it
/// is said that limits may be above.
pub(crate) const MAX_DEPTH: usize = 32;

/// The kept files of all cgroups that matter to this process.
#[derive(Debug)]
pub(crate) struct Cgroups {
    root: PathBuf,
    /// `/proc/self`.
    own: PathBuf,
    membership: Kept,
    /// What `membership` said when the chain was opened.
    seen: Vec<u8>,
    meminfo: Kept,
    chain: Chain,
    /// What happened at the limits, whichever directory bound.
    counts: Counts,
    located: Availability,
}

/// The process's own directory and its ancestors.
#[derive(Debug, Default)]
struct Chain {
    directories: Vec<Directory>,
    /// The one that stands for the process where nothing limits it: the lowest with the memory controller.
    own: Option<usize>,
    /// The one that the last report was of.
    reported: Option<usize>,
    /// Pressure of the unified hierarchy, where memory is on v1.
    unified_pressure: Option<Kept>,
    pressure: Availability,
}

impl Cgroups {
    pub(crate) fn open(root: &Path, scratch: &mut Scratch) -> Self {
        let proc = root.join("proc");
        let own = proc.join("self");
        let mut cgroups = Self {
            root: root.to_path_buf(),
            membership: Kept::open(&own, "cgroup"),
            own,
            seen: Vec::new(),
            meminfo: Kept::open(&proc, "meminfo"),
            chain: Chain::default(),
            counts: Counts::default(),
            located: Availability::Absent,
        };
        cgroups.locate(scratch);
        cgroups.read_limits(scratch);
        cgroups.read(scratch);
        cgroups
    }

    /// Follows the process into another cgroup, opens what failed, and reads all limits again.
    pub(crate) fn refresh(&mut self, scratch: &mut Scratch) {
        self.membership.retry();
        let seen = &self.seen;
        let moved = self.membership.read(scratch, |content| Some(content != seen.as_slice())).unwrap_or_default();
        let again = moved || matches!(self.availability(), Availability::Unavailable(_));
        if again {
            self.locate(scratch);
        }
        self.read_limits(scratch);
        if again {
            // A glance needs what is reclaimable, and files that open but cannot be read must not look recovered.
            self.read(scratch);
        }
    }

    /// Reads everything of the directories that matter; the result is what [`candidates`](Self::candidates) compares.
    ///
    /// Returns the limited directory with the least headroom, or else the process's own.
    pub(crate) fn read(&mut self, scratch: &mut Scratch) -> Option<Cgroup> {
        let limited = self.is_limited();
        for (index, directory) in self.chain.directories.iter_mut().enumerate() {
            if directory.is_limited() || (!limited && self.chain.own == Some(index)) {
                directory.read(scratch);
            }
        }
        self.chain.report(scratch, limited, &mut self.counts)
    }

    /// Reads the usage of each limited directory, so that [`candidates`](Self::candidates) estimates with the reclaimable
    /// part of the last [`read`](Self::read).
    pub(crate) fn glance(&mut self, scratch: &mut Scratch) {
        for directory in &mut self.chain.directories {
            if directory.is_limited() {
                directory.read_usage(scratch);
            }
        }
    }

    /// Whether a limit stands over the process, readable or not.
    pub(crate) fn is_limited(&self) -> bool {
        self.chain.directories.iter().any(Directory::is_limited)
    }

    /// Each limit whose directory could be read.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.chain.directories.iter().flat_map(Directory::candidates)
    }

    /// What came of the last attempt to read the limits and what is used of them.
    pub(crate) fn availability(&self) -> Availability {
        let directories = self.chain.directories.iter().map(Directory::availability);
        let worst = directories.fold(self.located.and(self.membership_fault()), Availability::and);
        match worst {
            Availability::Available if self.chain.own.is_none() => Availability::Absent,
            other => other,
        }
    }

    /// What came of the last attempt to read the pressure.
    pub(crate) fn pressure(&self) -> Availability {
        self.chain.pressure
    }

    /// The files by which the kernel says that the limit which binds is met, and that the process is stalled on memory.
    pub(crate) fn signs(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        let Chain { directories, own, unified_pressure, .. } = &self.chain;
        let binding = self.chain.tightest().and_then(|index| directories.get(index));
        let own = own.and_then(|own| directories.get(own)).and_then(Directory::pressure_path);
        let pressure = unified_pressure.as_ref().map(Kept::path).or(own);
        (binding.and_then(Directory::events_path), pressure.map(Path::to_path_buf))
    }

    /// Only that the file fails counts: that it is there says nothing about memory.
    fn membership_fault(&self) -> Availability {
        match self.membership.availability() {
            Availability::Available => Availability::Absent,
            other => other,
        }
    }

    fn locate(&mut self, scratch: &mut Scratch) {
        let content = self.membership.read(scratch, |content| Some(content.to_vec()));
        let Some(content) = content else {
            // A kernel without cgroups has the other files of the process; without any, nobody knows of a limit.
            if platform::HAS_PROC && !self.own.exists() {
                self.located = Availability::Unavailable(Reason::new("/proc/self", Fault::Os(libc::ENOENT)));
            }
            return;
        };
        let mounts = match read_whole(&self.own.join("mountinfo")) {
            Ok(mounts) => mounts,
            Err(error) => {
                self.located = Availability::Unavailable(Reason::new("mountinfo", Fault::from(error)));
                return;
            }
        };
        let Located { memory, unified } = locate::locate(&content, &mounts);
        let (located, chain) = match memory {
            Ok(None) => (Availability::Absent, Chain::default()),
            Ok(Some(hierarchy)) => {
                (hierarchy.availability(&self.root), Chain::open(&self.root, &hierarchy, unified.as_ref()))
            }
            Err(reason) => (Availability::Unavailable(reason), Chain::default()),
        };
        // A limit that was known must not vanish because a file could not be opened this time: then `used` would change
        // its meaning without a word. The old directories stay, unreadable, until the new ones can be opened. Where the
        // process is known to be elsewhere, out of sight, they are not its own any more.
        let fault = chain.limits();
        if matches!(fault, Availability::Unavailable(_)) && self.is_limited() {
            self.located = fault;
            return;
        }
        self.located = located;
        self.chain = chain;
        self.seen = content;
    }

    fn read_limits(&mut self, scratch: &mut Scratch) {
        let memory = self.meminfo.read(scratch, keyed::memory_total);
        let last = self.chain.directories.len().checked_sub(1);
        for (index, directory) in self.chain.directories.iter_mut().enumerate() {
            directory.read_limits(scratch, memory, last == Some(index));
        }
        self.chain.own = self.chain.directories.iter().position(Directory::has_memory);
        if let Some(own) = self.chain.own.and_then(|own| self.chain.directories.get_mut(own)) {
            own.open_files();
        }
    }
}

impl Chain {
    fn open(root: &Path, memory: &Hierarchy, unified: Option<&Hierarchy>) -> Self {
        let unified_pressure = match memory.version {
            Version::V1 => unified.and_then(|unified| directory::pressure(&unified.folders(root).next()?)),
            Version::V2 => None,
        };
        let own = memory.folders(root).take(1);
        let above = memory.folders(root).skip(1).take_while(|above| directory::counts_below(above, memory.version));
        let folders = own.chain(above).take(MAX_DEPTH);
        Self {
            directories: folders.map(|folder| Directory::open(folder, memory.version)).collect(),
            own: None,
            reported: None,
            unified_pressure,
            pressure: Availability::Absent,
        }
    }

    fn limits(&self) -> Availability {
        self.directories.iter().map(Directory::limits).fold(Availability::Absent, Availability::and)
    }

    fn report(&mut self, scratch: &mut Scratch, limited: bool, counts: &mut Counts) -> Option<Cgroup> {
        let index = if limited { self.tightest()? } else { self.own? };
        let before = self.reported.replace(index);
        let mut cgroup = self.directories.get(index)?.latest();
        cgroup.limited = limited;

        // A v1 cgroup counts kills of its own processes only: those below it, on the way to this process, count too.
        let (mut kills_below, mut counted_below) = (None, 0_u64);
        let mut rises = [CgroupEvents::default(); 2];
        let mut binding = CgroupEvents::default();
        for (place, directory) in self.directories.iter_mut().enumerate() {
            let mut events = directory.read_events(scratch);
            if directory.counts_own_kills() {
                events.oom_kills = add(events.oom_kills, kills_below);
                kills_below = events.oom_kills;
                // One number for all that is counted: of a single directory its inode.
                counted_below = counted_below.rotate_left(17) ^ directory.id();
            }
            let rise = directory.rise(events);
            let [now, then] = &mut rises;
            if place == index {
                cgroup.kills_of = if directory.counts_own_kills() { counted_below } else { directory.id() };
                (*now, binding) = (rise, events);
            } else if before == Some(place) {
                *then = rise;
            }
        }
        cgroup.events = counts.add(rises.into_iter(), binding);

        // The pressure of the process's own directory, whichever binds: a total must not change its subject.
        let own = self.own.and_then(|own| self.directories.get_mut(own)).and_then(Directory::pressure_file);
        match self.unified_pressure.as_mut().or(own) {
            Some(file) => {
                cgroup.pressure = file.read(scratch, pressure::parse).unwrap_or_default();
                self.pressure = file.availability();
            }
            None => self.pressure = Availability::Absent,
        }
        Some(cgroup)
    }

    /// The limited directory with the least headroom; the first where none of them could be read.
    fn tightest(&self) -> Option<usize> {
        let candidates = self.directories.iter().flat_map(Directory::candidates);
        match limit::binding(candidates) {
            Some(bound) => self.directories.iter().position(|directory| directory.id() == bound.limit.scope),
            None => self.directories.iter().position(Directory::is_limited),
        }
    }
}

/// The sum of two counts, where an unknown one adds nothing.
fn add(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (known, None) | (None, known) => known,
    }
}

/// The directories that would be looked into, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn folders(membership: &[u8], mounts: &[u8], root: &Path) -> Vec<PathBuf> {
    let Located { memory, unified } = locate::locate(membership, mounts);
    let hierarchies = [memory.ok().flatten(), unified].into_iter().flatten();
    hierarchies.flat_map(|hierarchy| hierarchy.folders(root).collect::<Vec<_>>()).collect()
}

/// A limit that can be reached: one above all memory of the machine is none.
///
/// One of exactly that size is one, since lxcfs shows a container its own limit as the machine's memory.
fn within(limit: Bytes, memory: Option<Bytes>) -> bool {
    // Without a limit, v1 shows the largest number of pages that it can count.
    limit.get() < 1 << 62 && memory.is_none_or(|memory| limit <= memory)
}
