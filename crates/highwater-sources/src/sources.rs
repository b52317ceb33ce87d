//! All sources at three speeds: glance, sample, refresh.

use std::path::PathBuf;
use std::sync::Arc;

use highwater_model::{Bytes, Candidate, Glance, Limit, LimitSource, Process, Sample, SinceStart, limit};

use crate::availability::{Availability, Source};
use crate::cgroup::Cgroups;
use crate::file::Scratch;
use crate::jemalloc::{self, AllocatorKind};
use crate::process::ProcessFiles;
use crate::regions::Regions;
use crate::waiter::Signs;

/// Where to read, and what is known beforehand.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that stands for `/`: another one in tests only.
    pub root: PathBuf,
    /// A limit that the operator wrote down. It competes with those of the cgroups; the least headroom binds.
    pub limit: Option<Bytes>,
    /// A limit for as long as there is no other, neither configured nor of a cgroup.
    pub fallback: Option<Bytes>,
}

impl Default for Options {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), limit: None, fallback: None }
    }
}

/// The open sources of this process.
#[derive(Debug)]
pub struct Sources {
    options: Options,
    regions: Arc<Regions>,
    process_id: u32,
    scratch: Scratch,
    jemalloc: jemalloc::Reader,
    process: ProcessFiles,
    cgroups: Cgroups,
    /// Shared and swapped memory of the process at the last full reading: a glance does not read them.
    rest: Option<Bytes>,
}

impl Sources {
    /// Opens what there is, and reads the kernel's files once, so that the first glance has a base to build on and
    /// [`availability`](Self::availability) is known. What cannot be opened is tried again by [`refresh`](Self::refresh).
    pub fn open(options: Options, regions: Arc<Regions>) -> Self {
        let mut scratch = Scratch::new();
        let mut sources = Self {
            process_id: std::process::id(),
            jemalloc: jemalloc::Reader::open(),
            process: ProcessFiles::open(&options.root),
            cgroups: Cgroups::open(&options.root, &mut scratch),
            rest: None,
            scratch,
            options,
            regions,
        };
        sources.read_process();
        sources
    }

    /// The cheap signals: an estimate of what is used, and the limit that binds it, of the same candidates as a sample's.
    ///
    /// It reads the usage of each limited cgroup, and `statm` where the process's own use matters: without a limit, or with
    /// a configured one. What the last full reading found to be reclaimable is taken away.
    pub fn glance(&mut self, at: SinceStart) -> Glance {
        self.cgroups.glance(&mut self.scratch);
        let own = match self.rest {
            Some(rest) if self.options.limit.is_some() || !self.cgroups.is_limited() => {
                self.process.glance(&mut self.scratch).map(|anon| anon.saturating_add(rest))
            }
            _ => None,
        };
        let (used, limit) = self.judge(own);
        Glance { at, used, limit }
    }

    /// A full reading.
    pub fn sample(&mut self, at: SinceStart) -> Sample {
        self.follow_fork();
        // The allocator comes before the kernel, so that both saw the same pages but for what came or went in between.
        let allocator = self.jemalloc.read(at);
        let process = self.read_process();
        let cgroup = self.cgroups.read(&mut self.scratch);
        let (used, limit) = self.judge(process.used());
        Sample { at, used, limit, allocator, process, cgroup, external: self.regions.total() }
    }

    /// Looks again at what rarely changes: in which cgroup the process is, all limits over it, and what could not be opened.
    pub fn refresh(&mut self) {
        if !self.follow_fork() {
            self.process.retry();
            self.cgroups.refresh(&mut self.scratch);
        }
    }

    /// What came of the last attempt to read each source, in the order of [`Source::ALL`].
    pub fn availability(&self) -> [(Source, Availability); Source::COUNT] {
        [
            (Source::Jemalloc, self.jemalloc.availability()),
            (Source::Proc, self.process.availability()),
            (Source::Cgroup, self.cgroups.availability()),
            (Source::Pressure, self.cgroups.pressure()),
        ]
    }

    /// By which files the kernel says that memory is short: of the limit that binds now, and of this process.
    pub fn signs(&self) -> Signs {
        let system = self.options.root.join("proc/pressure/memory");
        let (events, pressure) = self.cgroups.signs();
        Signs { events, pressure: pressure.or(Some(system)) }
    }

    /// Whose allocator this program runs on.
    pub fn allocator(&self) -> AllocatorKind {
        self.jemalloc.kind()
    }

    fn read_process(&mut self) -> Process {
        let process = self.process.read(&mut self.scratch);
        self.rest = process.shmem.map(|shmem| shmem.saturating_add(process.swap.unwrap_or_default()));
        process
    }

    /// What is used and the limit that binds it, where `own` is what the process itself uses.
    fn judge(&self, own: Option<Bytes>) -> (Option<Bytes>, Option<Limit>) {
        let configured = self.options.limit.zip(own).map(|(bytes, used)| {
            let limit = Limit { bytes, source: LimitSource::Config, scope: 0 };
            Candidate { limit, used }
        });
        match limit::binding(self.cgroups.candidates().chain(configured)) {
            Some(bound) => (Some(bound.used), Some(bound.limit)),
            // A limit that cannot be compared must not turn the use of a cgroup into that of a process.
            None if self.cgroups.is_limited() => (None, None),
            None => {
                let fallback = self.options.fallback.filter(|_| own.is_some());
                (own, fallback.map(|bytes| Limit { bytes, source: LimitSource::Config, scope: 0 }))
            }
        }
    }

    /// Opens everything again in a child that was forked: the files of its parent would still answer.
    fn follow_fork(&mut self) -> bool {
        let process_id = std::process::id();
        let forked = process_id != self.process_id;
        if forked {
            self.process_id = process_id;
            self.process = ProcessFiles::open(&self.options.root);
            self.cgroups = Cgroups::open(&self.options.root, &mut self.scratch);
            self.read_process();
        }
        forked
    }
}
