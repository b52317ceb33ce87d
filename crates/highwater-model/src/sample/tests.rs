use super::*;

const fn mib(n: u64) -> Option<Bytes> {
    Some(Bytes::mib(n))
}

fn with_anon(anon: u64, resident: u64, muzzy: u64, external: u64) -> Sample {
    Sample {
        allocator: Some(Allocator { resident: Bytes::mib(resident), muzzy: mib(muzzy), ..Allocator::default() }),
        process: Process { anon: mib(anon), ..Process::default() },
        external: Bytes::mib(external),
        ..Sample::default()
    }
}

#[test]
fn what_nobody_accounts_for_is_the_residual_of_one_sample() {
    assert_eq!(with_anon(100, 50, 10, 15).unattributed(), mib(25));
    assert_eq!(with_anon(100, 50, 10, 15).not_resident(), mib(0));
}

#[test]
fn the_residual_is_unknown_where_the_allocator_counts_more_than_the_kernel() {
    assert_eq!(with_anon(50, 60, 5, 0).unattributed(), None);
    assert_eq!(with_anon(50, 60, 5, 0).not_resident(), mib(15));
}

#[test]
fn page_cache_and_reclaimable_slab_are_not_used() {
    let cgroup = Cgroup {
        usage: mib(500),
        file_active: mib(200),
        file_inactive: mib(150),
        slab_reclaimable: mib(30),
        ..Cgroup::default()
    };
    assert_eq!(cgroup.used(), mib(120));
    assert_eq!(cgroup.working_set(), mib(350));
}

#[test]
fn used_is_unknown_without_the_page_cache() {
    let cgroup = Cgroup { usage: mib(500), file_active: mib(200), ..Cgroup::default() };
    assert_eq!(cgroup.used(), None);
}

#[test]
fn swapped_memory_counts_as_used_by_the_process() {
    let process = Process { anon: mib(10), shmem: mib(5), swap: mib(3), ..Process::default() };
    assert_eq!(process.used(), mib(18));
}

#[test]
fn a_process_with_less_than_half_of_the_limited_cgroup_is_not_the_cause() {
    let limit = |source| Some(Limit { bytes: Bytes::mib(100), source, scope: 1 });
    let mut sample = with_anon(40, 0, 0, 0);
    sample.limit = limit(LimitSource::Cgroup);
    sample.cgroup = Some(Cgroup { anon: mib(100), ..Cgroup::default() });
    assert!(sample.others_hold_most());
    sample.limit = limit(LimitSource::Config);
    assert!(!sample.others_hold_most(), "only its own memory counts against a configured limit");
    sample.limit = limit(LimitSource::CgroupHigh);
    sample.process.anon = mib(50);
    assert!(!sample.others_hold_most());
    sample.process.anon = None;
    assert!(!sample.others_hold_most());
}
