//! All sources at three speeds: glance, sample, refresh.

use std::path::PathBuf;
use std::sync::Arc;

use highwater_model::{Bytes, Candidate, Glance, Limit, LimitSource, Sample, SinceStart, limit};

use crate::availability::{Availability, Source};
use crate::file::Scratch;
use crate::jemalloc::{self, AllocatorKind};
use crate::process::ProcessFiles;
use crate::regions::Regions;

/// Where to read, and what is known beforehand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The folder that stands for `/`: another one in tests only.
    pub root: PathBuf,
    /// A limit that the operator wrote down. It competes with those of the cgroups; the least headroom binds.
    pub limit: Option<Bytes>,
}

impl Default for Options {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), limit: None }
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
    /// Shared and swapped memory of the process at the last sample, which a glance does not read.
    rest: Option<Bytes>,
}

impl Sources {
    /// Opens what there is. What cannot be opened is said by [`availability`](Self::availability) and tried again by
    /// [`refresh`](Self::refresh).
    pub fn open(options: Options, regions: Arc<Regions>) -> Self {
        Self {
            process_id: std::process::id(),
            scratch: Scratch::new(),
            jemalloc: jemalloc::Reader::open(),
            process: ProcessFiles::open(&options.root),
            rest: None,
            options,
            regions,
        }
    }

    /// The cheap signals, in about 1 us: an estimate of what is used and the limit that binds it.
    ///
    /// `None` before the first sample, whose reclaimable part it builds on.
    pub fn glance(&mut self, at: SinceStart) -> Glance {
        let own = self.rest.and_then(|rest| Some(self.process.glance(&mut self.scratch)?.saturating_add(rest)));
        let bound = limit::binding(self.configured(own));
        Glance { at, used: bound.map_or(own, |bound| Some(bound.used)), limit: bound.map(|bound| bound.limit) }
    }

    /// A full reading.
    pub fn sample(&mut self, at: SinceStart) -> Sample {
        // The allocator comes before the kernel: what it gives back in between is then missing from both, not from one.
        let allocator = self.jemalloc.read();
        let process = self.process.read(&mut self.scratch);
        self.rest = process.shmem.map(|shmem| shmem.saturating_add(process.swap.unwrap_or_default()));
        let own = process.used();
        let bound = limit::binding(self.configured(own));
        Sample {
            at,
            used: bound.map_or(own, |bound| Some(bound.used)),
            limit: bound.map(|bound| bound.limit),
            allocator,
            process,
            cgroup: None,
            external: self.regions.total(),
        }
    }

    /// Looks again at what rarely changes: the cgroup that the process is in, its limits, and whether this is still the
    /// process that opened the files.
    pub fn refresh(&mut self) {
        let process_id = std::process::id();
        if process_id != self.process_id {
            self.process_id = process_id;
            self.process = ProcessFiles::open(&self.options.root);
        }
    }

    /// What came of the last attempt to read each source, in the order of [`Source::ALL`].
    pub fn availability(&self) -> [(Source, Availability); Source::COUNT] {
        [
            (Source::Jemalloc, self.jemalloc.availability()),
            (Source::Proc, self.process.availability()),
            (Source::Cgroup, Availability::Absent),
            (Source::Pressure, Availability::Absent),
        ]
    }

    /// Whose allocator this program runs on.
    pub fn allocator(&self) -> AllocatorKind {
        self.jemalloc.kind()
    }

    fn configured(&self, own: Option<Bytes>) -> Option<Candidate> {
        let limit = Limit { bytes: self.options.limit?, source: LimitSource::Config, scope: 0 };
        Some(Candidate { limit, used: own? })
    }
}
