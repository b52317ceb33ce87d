//! Where the memory is: parts that are disjoint and add up to a whole.
//!
//! The whole is that against which the limit counts. Where a cgroup's limit binds it is all that is charged to that cgroup,
//! page cache and other processes included; else it is what the process itself has in memory. The parts come from three
//! counters that are read one after the other, allocator, process and cgroup, and the allocator's is an upper bound. So
//! each part takes at most what is left of the sum that it belongs to, in the order of how surely it is known.

use highwater::model::LimitSource;
use highwater::{Bytes, Sample};

/// Disjoint parts of the memory, each `None` where it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// What the program holds from its allocator.
    pub(crate) heap: Option<Bytes>,
    /// What the allocator holds beyond that: freed pages, fragments, its own bookkeeping.
    pub(crate) allocator: Option<Bytes>,
    /// Regions that the program accounts for.
    pub(crate) external: Option<Bytes>,
    /// Anonymous memory of the process that nobody accounts for; without jemalloc's numbers all of it.
    pub(crate) anon: Option<Bytes>,
    /// Page cache of the cgroup; of a process its file mappings.
    pub(crate) file: Option<Bytes>,
    /// Shared memory and tmpfs.
    pub(crate) shmem: Option<Bytes>,
    /// Memory of the kernel for the cgroup, and what else is charged to it.
    pub(crate) kernel: Option<Bytes>,
    /// Anonymous memory of the cgroup's other processes.
    pub(crate) others: Option<Bytes>,
    /// All of it.
    pub(crate) whole: Option<Bytes>,
}

impl Parts {
    pub(crate) fn of(sample: &Sample) -> Self {
        let of_cgroup = sample.limit.is_some_and(|limit| limit.source != LimitSource::Config);
        if of_cgroup { Self::of_cgroup(sample) } else { Self::of_process(sample) }
    }

    fn of_process(sample: &Sample) -> Self {
        let process = &sample.process;
        let (Some(anon), Some(file), Some(shmem)) = (process.anon, process.file, process.shmem) else {
            return Self { whole: process.rss, ..Self::default() };
        };
        let whole = anon.saturating_add(file).saturating_add(shmem);
        Self { file: Some(file), shmem: Some(shmem), whole: Some(whole), ..Self::anonymous(sample, anon) }
    }

    fn of_cgroup(sample: &Sample) -> Self {
        let Some((cgroup, whole)) = sample.cgroup.and_then(|cgroup| Some((cgroup, cgroup.usage?))) else {
            return Self::default();
        };
        let (Some(all_anon), Some(active), Some(inactive)) = (cgroup.anon, cgroup.file_active, cgroup.file_inactive)
        else {
            return Self { whole: Some(whole), ..Self::default() };
        };
        let mut left = whole;
        let all_anon = take(&mut left, all_anon);
        let file = take(&mut left, active.saturating_add(inactive));
        let shmem = cgroup.shmem.map(|shmem| take(&mut left, shmem));
        // Nothing else is charged but what the kernel itself has, and what it has charged ahead of need.
        let kernel = left;
        let mut anon_left = all_anon;
        let own = sample.process.anon.map(|own| take(&mut anon_left, own));
        let shared = Self { file: Some(file), shmem, kernel: Some(kernel), whole: Some(whole), ..Self::default() };
        match own {
            Some(own) => {
                let Self { heap, allocator, external, anon, .. } = Self::anonymous(sample, own);
                Self { heap, allocator, external, anon, others: Some(anon_left), ..shared }
            }
            None => Self { anon: Some(all_anon), ..shared },
        }
    }

    /// The anonymous memory of the process.
    fn anonymous(sample: &Sample, anon: Bytes) -> Self {
        let mut left = anon;
        let (heap, allocator) = sample
            .allocator
            .map(|numbers| {
                let heap = take(&mut left, numbers.allocated);
                (heap, take(&mut left, numbers.ceiling().saturating_sub(numbers.allocated)))
            })
            .unzip();
        let external = take(&mut left, sample.external);
        Self { heap, allocator, external: Some(external), anon: Some(left), ..Self::default() }
    }

    /// All but the whole, in the order of the page.
    pub(crate) fn each(&self) -> [Option<Bytes>; 8] {
        let Self { heap, allocator, external, anon, file, shmem, kernel, others, whole: _ } = *self;
        [heap, allocator, external, anon, file, shmem, kernel, others]
    }
}

/// At most so much of what is left.
fn take(left: &mut Bytes, amount: Bytes) -> Bytes {
    let taken = amount.min(*left);
    *left = left.saturating_sub(taken);
    taken
}

#[cfg(test)]
mod tests;
