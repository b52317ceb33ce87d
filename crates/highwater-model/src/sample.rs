//! One reading of all sources at one moment: the value that flows from read to tell.
//!
//! Unknown is `None`, never 0: a source that fails blanks its own fields and no others.

use core::time::Duration;

use crate::{Bytes, Limit, LimitSource, SinceStart};

/// Everything that was read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: SinceStart,
    /// What the kernel could not take back: the number that is judged.
    pub used: Option<Bytes>,
    /// The limit that binds `used`.
    pub limit: Option<Limit>,
    /// The allocator's own numbers; `None` where jemalloc is not the program's allocator.
    pub allocator: Option<Allocator>,
    /// The kernel's numbers for this process.
    pub process: Process,
    /// The cgroup that limits the process, or the one that it is in where none limits it.
    pub cgroup: Option<Cgroup>,
    /// The sum of the regions that the program registered.
    pub external: Bytes,
}

impl Sample {
    /// `used` as a ratio of the limit; may exceed 1 above a limit that does not kill.
    pub fn utilization(&self) -> Option<f64> {
        self.used?.ratio_of(self.limit?.bytes)
    }

    /// What is left below the limit.
    pub fn available(&self) -> Option<Bytes> {
        Some(self.limit?.bytes.saturating_sub(self.used?))
    }

    /// Anonymous memory that nobody accounts for: a lower bound.
    ///
    /// jemalloc's `resident` counts pages that were never touched, so that allocator and regions together can exceed what
    /// the kernel holds. Then the residual is unknown, not zero.
    pub fn unattributed(&self) -> Option<Bytes> {
        self.process.anon?.checked_sub(self.allocator?.ceiling().saturating_add(self.external))
    }

    /// How much of jemalloc's `resident` and muzzy pages the kernel does not hold: at least this much; zero where the
    /// residual is known.
    pub fn not_resident(&self) -> Option<Bytes> {
        Some(self.allocator?.ceiling().saturating_sub(self.process.anon?))
    }

    /// Whether other processes hold more than half of the anonymous memory of the cgroup whose limit binds. Never where a
    /// configured limit binds: against that only the process's own memory counts.
    pub fn others_hold_most(&self) -> bool {
        if self.limit.is_none_or(|limit| limit.source == LimitSource::Config) {
            return false;
        }
        match (self.process.anon, self.cgroup.and_then(|cgroup| cgroup.anon)) {
            (Some(own), Some(all)) => own.get() < all.get() / 2,
            _ => false,
        }
    }
}

/// The numbers of jemalloc, all from one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocator {
    /// Bytes that the program holds (`stats.allocated`, thread caches included).
    pub allocated: Bytes,
    /// Bytes in pages that hold at least one allocation (`stats.active`).
    pub active: Bytes,
    /// Bytes that jemalloc believes to be in physical memory (`stats.resident`): an upper bound.
    pub resident: Bytes,
    /// Bytes in extents that are mapped (`stats.mapped`).
    pub mapped: Bytes,
    /// Bytes of address space kept for later, not in physical memory (`stats.retained`).
    pub retained: Bytes,
    /// Bytes of jemalloc's own bookkeeping (`stats.metadata`).
    pub metadata: Bytes,
    /// Bytes in freed pages that were not given back yet.
    pub dirty: Option<Bytes>,
    /// Bytes in freed pages that the kernel may take back (`MADV_FREE`).
    pub muzzy: Option<Bytes>,
    /// Allocations since the start of the process.
    pub allocations: Option<u64>,
    /// Deallocations since the start of the process.
    pub deallocations: Option<u64>,
}

impl Allocator {
    /// An upper bound of what jemalloc holds in physical memory.
    pub fn ceiling(&self) -> Bytes {
        self.resident.saturating_add(self.muzzy.unwrap_or_default())
    }

    /// The share of the active pages that holds no allocation.
    pub fn fragmentation(&self) -> Option<f64> {
        self.active.saturating_sub(self.allocated).ratio_of(self.active)
    }
}

/// The numbers of the kernel for this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Resident set size (`statm`).
    pub rss: Option<Bytes>,
    /// Address space (`statm`).
    pub address_space: Option<Bytes>,
    /// Resident anonymous memory (`RssAnon`).
    pub anon: Option<Bytes>,
    /// Resident file mappings (`RssFile`).
    pub file: Option<Bytes>,
    /// Resident shared memory (`RssShmem`).
    pub shmem: Option<Bytes>,
    /// Anonymous memory that is swapped out (`VmSwap`).
    pub swap: Option<Bytes>,
    /// The highest resident set size so far (`VmHWM`), approximate.
    pub peak: Option<Bytes>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub descriptors: Option<u64>,
    /// Page faults that needed no disk.
    pub minor_faults: Option<u64>,
    /// Page faults that needed the disk.
    pub major_faults: Option<u64>,
}

impl Process {
    /// What the kernel could not take back of this process: anonymous and shared memory, swapped or not.
    pub fn used(&self) -> Option<Bytes> {
        Some(self.anon?.saturating_add(self.shmem?).saturating_add(self.swap.unwrap_or_default()))
    }
}

/// The numbers of one cgroup directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The inode of the directory.
    pub id: u64,
    /// Of what the kills are counted: two counts can be compared where this is the same, and not 0. With cgroup v1, which counts
    /// in each directory its own processes alone, it is another one where the process is in another directory below.
    pub kills_of: u64,
    /// Whether the directory or one of its ancestors has a limit.
    pub limited: bool,
    /// All memory charged to it, page cache and children included.
    pub usage: Option<Bytes>,
    /// Anonymous memory.
    pub anon: Option<Bytes>,
    /// Page cache that was used recently.
    pub file_active: Option<Bytes>,
    /// Page cache that was not.
    pub file_inactive: Option<Bytes>,
    /// Shared memory and tmpfs.
    pub shmem: Option<Bytes>,
    /// Kernel memory, without the slab that can be reclaimed.
    pub kernel: Option<Bytes>,
    /// Kernel caches that can be reclaimed.
    pub slab_reclaimable: Option<Bytes>,
    /// Network buffers.
    pub sock: Option<Bytes>,
    /// How often something happened at its limits.
    pub events: CgroupEvents,
    /// Time for which tasks were stalled on memory.
    pub pressure: Pressure,
}

impl Cgroup {
    /// What the kernel could not take back: usage without page cache and reclaimable slab.
    pub fn used(&self) -> Option<Bytes> {
        let reclaimable = self
            .file_active?
            .saturating_add(self.file_inactive?)
            .saturating_add(self.slab_reclaimable.unwrap_or_default());
        Some(self.usage?.saturating_sub(reclaimable))
    }

    /// Usage without the page cache that was not used recently, as Kubernetes counts it.
    pub fn working_set(&self) -> Option<Bytes> {
        Some(self.usage?.saturating_sub(self.file_inactive?))
    }
}

/// Running counts of what happened at the limits of the cgroup that binds, children included. They go on from where they
/// were when another directory comes to bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupEvents {
    /// Reclaimed although below `memory.low`.
    pub low: Option<u64>,
    /// Throttled at `memory.high`.
    pub high: Option<u64>,
    /// Stopped at the limit, to reclaim (v1: `memory.failcnt`). File reads move it too.
    pub max: Option<u64>,
    /// Reclaim at the limit failed.
    pub oom: Option<u64>,
    /// Processes killed.
    pub oom_kills: Option<u64>,
}

/// Running totals of pressure stall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task was stalled.
    pub some: Option<Duration>,
    /// All tasks were stalled at once.
    pub full: Option<Duration>,
}

/// What the cheap signals say between two samples: enough to raise a suspicion, never to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// When it was read.
    pub at: SinceStart,
    /// An estimate of [`Sample::used`]: usage now, less what could be reclaimed at the last sample.
    pub used: Option<Bytes>,
    /// The limit that binds that estimate.
    pub limit: Option<Limit>,
}

#[cfg(test)]
mod tests;
