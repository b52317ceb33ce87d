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
mod tests {
    use super::*;
    use crate::{Allocator, Cgroup, Limit, Process};

    fn sample(allocated: u64, resident: u64, anon: u64, external: u64) -> Sample {
        Sample {
            allocator: Some(Allocator {
                allocated: Bytes::mib(allocated),
                resident: Bytes::mib(resident),
                ..Allocator::default()
            }),
            process: Process { anon: Some(Bytes::mib(anon)), ..Process::default() },
            external: Bytes::mib(external),
            ..Sample::default()
        }
    }

    fn cause(calm: &Sample, now: &Sample) -> Cause {
        let used = |sample: &Sample| sample.process.anon.unwrap_or_default();
        Parts::of(now).grown_since(&Parts::of(calm), used(now).saturating_sub(used(calm)))
    }

    #[test]
    fn the_part_that_grew_most_is_the_cause() {
        let calm = sample(100, 120, 130, 0);
        assert_eq!(cause(&calm, &sample(400, 450, 460, 0)), Cause::Heap);
        assert_eq!(cause(&calm, &sample(100, 400, 410, 0)), Cause::Allocator);
        assert_eq!(cause(&calm, &sample(100, 120, 430, 300)), Cause::External);
        assert_eq!(cause(&calm, &sample(100, 120, 430, 0)), Cause::Unattributed);
    }

    #[test]
    fn kernel_and_shared_memory_of_the_cgroup_are_parts_where_its_limit_binds() {
        let with = |source, kernel, shmem| Sample {
            limit: Some(Limit { bytes: Bytes::mib(512), source, scope: 1 }),
            cgroup: Some(Cgroup {
                limited: true,
                kernel: Some(Bytes::mib(kernel)),
                shmem: Some(Bytes::mib(shmem)),
                ..Cgroup::default()
            }),
            process: Process { anon: Some(Bytes::mib(kernel + shmem)), ..Process::default() },
            ..Sample::default()
        };
        let in_cgroup = |kernel, shmem| with(LimitSource::Cgroup, kernel, shmem);
        assert_eq!(cause(&in_cgroup(1, 1), &in_cgroup(90, 2)), Cause::Kernel);
        assert_eq!(cause(&in_cgroup(1, 1), &in_cgroup(2, 90)), Cause::Shmem);
        let configured = |kernel| with(LimitSource::Config, kernel, 1);
        assert_eq!(cause(&configured(1), &configured(90)), Cause::Unknown, "only its own memory counts");
    }

    #[test]
    fn a_part_that_explains_little_of_the_growth_is_not_the_cause() {
        assert_eq!(cause(&sample(100, 120, 30, 0), &sample(100, 121, 130, 0)), Cause::Unknown);
    }

    #[test]
    fn the_cause_is_unknown_where_no_known_part_grew() {
        let calm = sample(100, 120, 130, 0);
        assert_eq!(cause(&calm, &calm), Cause::Unknown);
        assert_eq!(cause(&Sample::default(), &sample(1, 2, 3, 0)), Cause::Unknown);
    }

    #[test]
    fn what_a_service_warmed_up_with_is_not_the_cause_of_a_later_leak() {
        let minutes = |minutes: u64| SinceStart::from_secs(minutes * 60);
        let mut calm = Calm::default();
        calm.note(minutes(0), Bytes::mib(30), &sample(10, 20, 30, 0));
        for minute in 1..=120 {
            calm.note(minutes(minute), Bytes::mib(2220), &sample(2200, 2210, 2220, 0));
        }
        let leaked = sample(2210, 2220, 3520, 0);
        assert_eq!(calm.cause(&leaked, Bytes::mib(3520)), Cause::Unattributed);
    }
}
