//! Which part of the memory grew.
//!
//! An alarm that says "85 %" sends somebody looking; one that says "heap" or "another process" says where. The parts are
//! compared with the calmest moment so far, each in its own numbers; nothing is inferred from a part that is unknown.

use crate::{Bytes, Sample};

/// The part of the memory that grew most since the calmest moment.
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
    /// Other processes hold more than half of the anonymous memory of the cgroup.
    OtherProcess,
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
            Self::Unknown => "unknown",
        }
    }
}

/// What can grow, as far as a sample knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts([Part; 6]);

type Part = (Cause, Option<Bytes>);

impl Parts {
    pub(crate) fn of(sample: &Sample) -> Self {
        let Sample { allocator, process, cgroup, .. } = sample;
        let overhead = allocator.map(|a| a.ceiling().saturating_sub(a.allocated));
        // Where jemalloc counts more than the kernel holds, the residual may be anything down to zero.
        let unattributed = sample.not_resident().map(|_| sample.unattributed().unwrap_or_default());
        // Of a cgroup's memory, what is not a process's: it counts against the limit as well.
        let kernel = cgroup.and_then(|c| Some(c.kernel?.saturating_add(c.sock.unwrap_or_default())));
        let shmem = cgroup.filter(|c| c.limited).and_then(|c| c.shmem).or(process.shmem);
        Self([
            (Cause::Heap, allocator.map(|a| a.allocated)),
            (Cause::Allocator, overhead),
            (Cause::External, Some(sample.external)),
            (Cause::Unattributed, unattributed),
            (Cause::Shmem, shmem),
            (Cause::Kernel, kernel),
        ])
    }

    /// The part that grew most from `calm` to `self`, where use grew by `growth`.
    ///
    /// Unknown where no part explains a third of the growth: pages that were allocated before the calm moment and touched
    /// after it, say, are growth of no part.
    pub(crate) fn grown_since(&self, calm: &Self, growth: Bytes) -> Cause {
        let grown = |(now, then): (&Part, &Part)| Some((now.1?.checked_sub(then.1?)?, now.0));
        let largest = self.0.iter().zip(&calm.0).filter_map(grown).max_by_key(|(grown, _)| *grown);
        let explains = |(grown, _): &(Bytes, Cause)| growth > Bytes::ZERO && grown.get() >= growth.get() / 3;
        largest.filter(explains).map_or(Cause::Unknown, |(_, cause)| cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Allocator, Cgroup, Process};

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
    fn kernel_and_shared_memory_of_the_cgroup_are_parts_too() {
        let with = |kernel, shmem| Sample {
            cgroup: Some(Cgroup {
                limited: true,
                kernel: Some(Bytes::mib(kernel)),
                shmem: Some(Bytes::mib(shmem)),
                ..Cgroup::default()
            }),
            process: Process { anon: Some(Bytes::mib(kernel + shmem)), ..Process::default() },
            ..Sample::default()
        };
        assert_eq!(cause(&with(1, 1), &with(90, 2)), Cause::Kernel);
        assert_eq!(cause(&with(1, 1), &with(2, 90)), Cause::Shmem);
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
}
