//! Which part of the memory grew.
//!
//! An alarm that says "85 %" sends somebody looking; one that says "heap" or "another process" says where. The parts are
//! compared with the calmest moment of the last hour, each in its own numbers; nothing is inferred from a part that is
//! unknown.

use core::time::Duration;

use crate::{Bytes, LimitSource, Sample, SinceStart};

/// The part of the memory that grew most since the calmest moment of the last hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// What the program holds from its allocator.
    Heap,
    /// What the allocator holds beyond that: fragmentation, freed pages, bookkeeping.
    Allocator,
    /// Regions that the program registered.
    External,
    /// Anonymous memory that nobody accounts for: stacks, mappings, C libraries.
    Unattributed,
    /// Shared memory and tmpfs.
    Shmem,
    /// Kernel memory and network buffers of the cgroup.
    Kernel,
    /// Other processes of the cgroup: they hold more than half of its anonymous memory, or what grew is theirs.
    OtherProcess,
    /// Page cache, or mapped files. What is used does not contain it; named only where nothing else grew.
    File,
    /// No part that is known grew.
    #[default]
    Unknown,
}

impl Cause {
    /// The value of `highwater.cause`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Allocator => "allocator",
            Self::External => "external",
            Self::Unattributed => "unattributed",
            Self::Shmem => "shmem",
            Self::Kernel => "kernel",
            Self::OtherProcess => "other_process",
            Self::File => "file",
            Self::Unknown => "unknown",
        }
    }
}

/// The calmest moment of the last half to whole hour: the lowest use, and its parts.
///
/// Not of all time: a service that was warm before a leak began would show its warming up as the cause. The hour stands
/// still while a line is exceeded, so that a long episode is compared with what was before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calm {
    present: Option<Moment>,
    previous: Option<Moment>,
    /// When the present half hour began.
    since: SinceStart,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    used: Bytes,
    parts: Parts,
}

impl Calm {
    const HALF: Duration = Duration::from_secs(30 * 60);

    /// Takes one sample into account.
    pub(crate) fn note(&mut self, at: SinceStart, used: Bytes, sample: &Sample) {
        if at.since(self.since) >= Self::HALF {
            (self.previous, self.present, self.since) = (self.present, None, at);
        }
        if self.present.is_none_or(|calm| used < calm.used) {
            self.present = Some(Moment { used, parts: Parts::of(sample) });
        }
    }

    /// The part that grew most from the calmest moment to this sample.
    pub(crate) fn cause(&self, sample: &Sample, used: Bytes) -> Cause {
        let calmest = self.present.into_iter().chain(self.previous).min_by_key(|calm| calm.used);
        calmest
            .map_or(Cause::Unknown, |calm| Parts::of(sample).grown_since(&calm.parts, used.saturating_sub(calm.used)))
    }
}

/// What can grow, as far as a sample knows it, in the order of [`Parts::CAUSES`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts([Option<Bytes>; 8]);

impl Parts {
    const CAUSES: [Cause; 8] = [
        Cause::Heap,
        Cause::Allocator,
        Cause::External,
        Cause::Unattributed,
        Cause::Shmem,
        Cause::Kernel,
        Cause::OtherProcess,
        Cause::File,
    ];

    pub(crate) fn of(sample: &Sample) -> Self {
        let Sample { allocator, process, cgroup, limit, .. } = sample;
        let overhead = allocator.map(|a| a.ceiling().saturating_sub(a.allocated));
        // Where jemalloc counts more than the kernel holds, the residual may be anything down to zero.
        let unattributed = sample.not_resident().map(|_| sample.unattributed().unwrap_or_default());
        // What counts against a cgroup's limit besides the memory of its processes.
        let cgroup = cgroup.filter(|_| limit.is_some_and(|limit| limit.source != LimitSource::Config));
        let kernel = cgroup.and_then(|c| Some(c.kernel?.saturating_add(c.sock.unwrap_or_default())));
        let shmem = cgroup.and_then(|c| c.shmem).or(process.shmem);
        let others = cgroup.and_then(|c| Some(c.anon?.saturating_sub(process.anon?)));
        let cached = cgroup.and_then(|c| Some(c.file_active?.saturating_add(c.file_inactive?)));
        Self([
            allocator.map(|a| a.allocated),
            overhead,
            Some(sample.external),
            unattributed,
            shmem,
            kernel,
            others,
            cached.or(process.file),
        ])
    }

    /// Of each part the lesser amount; unknown where either is.
    #[must_use]
    pub(crate) fn least(mut self, other: &Self) -> Self {
        for (part, other) in self.0.iter_mut().zip(&other.0) {
            *part = part.zip(*other).map(|(this, other)| this.min(other));
        }
        self
    }

    /// The part that grew most from `calm` to `self`, where use grew by `growth`.
    ///
    /// Unknown where no part explains a third of the growth: pages that were allocated before the calm moment and touched
    /// after it, say, are growth of no part. Files come last, since what is used does not contain them.
    pub(crate) fn grown_since(&self, calm: &Self, growth: Bytes) -> Cause {
        let grown = self.0.iter().zip(&calm.0).map(|(now, then)| now.zip(*then).and_then(|(n, t)| n.checked_sub(t)));
        let explains = |grown: &Bytes| growth > Bytes::ZERO && grown.get() >= growth.get() / 3;
        let explaining =
            Self::CAUSES.into_iter().zip(grown).filter_map(|(c, grown)| Some((c, grown.filter(explains)?)));
        let largest = explaining.max_by_key(|(cause, grown)| (*cause != Cause::File, *grown));
        largest.map_or(Cause::Unknown, |(cause, _)| cause)
    }
}

#[cfg(test)]
mod tests;
