use highwater::model::{Allocator, Cgroup, Limit, Process};
use proptest::prelude::*;

use super::*;

fn mib(amount: u64) -> Option<Bytes> {
    Some(Bytes::mib(amount))
}

fn sample(source: LimitSource) -> Sample {
    Sample {
        limit: Some(Limit { bytes: Bytes::mib(512), source, scope: 1 }),
        allocator: Some(Allocator { allocated: Bytes::mib(60), resident: Bytes::mib(80), ..Allocator::default() }),
        process: Process { rss: mib(130), anon: mib(110), file: mib(20), shmem: mib(1), ..Process::default() },
        cgroup: Some(Cgroup {
            usage: mib(400),
            anon: mib(150),
            file_active: mib(50),
            file_inactive: mib(150),
            shmem: mib(10),
            kernel: mib(30),
            ..Cgroup::default()
        }),
        external: Bytes::mib(16),
        ..Sample::default()
    }
}

#[test]
fn under_a_cgroup_s_limit_all_that_is_charged_is_shown_with_others_and_cache() {
    let parts = Parts::of(&sample(LimitSource::Cgroup));
    assert_eq!(
        parts,
        Parts {
            heap: mib(60),
            allocator: mib(20),
            external: mib(16),
            anon: mib(14),
            file: mib(200),
            shmem: mib(10),
            kernel: mib(40),
            others: mib(40),
            whole: mib(400),
        }
    );
}

#[test]
fn under_a_configured_limit_and_without_one_the_process_is_the_whole() {
    let expected = Parts {
        heap: mib(60),
        allocator: mib(20),
        external: mib(16),
        anon: mib(14),
        file: mib(20),
        shmem: mib(1),
        whole: mib(131),
        ..Parts::default()
    };
    assert_eq!(Parts::of(&sample(LimitSource::Config)), expected);
    assert_eq!(Parts::of(&Sample { limit: None, ..sample(LimitSource::Config) }), expected);
}

#[test]
fn what_an_allocator_counts_beyond_the_kernel_is_not_there() {
    let allocator = Some(Allocator { allocated: Bytes::mib(100), resident: Bytes::mib(500), ..Allocator::default() });
    let parts = Parts::of(&Sample { allocator, ..sample(LimitSource::Config) });
    assert_eq!([parts.heap, parts.allocator, parts.external, parts.anon], [mib(100), mib(10), mib(0), mib(0)]);
}

#[test]
fn without_an_allocator_s_numbers_anonymous_memory_is_one_part() {
    let parts = Parts::of(&Sample { allocator: None, ..sample(LimitSource::Config) });
    assert_eq!([parts.heap, parts.allocator, parts.external, parts.anon], [None, None, mib(16), mib(94)]);
}

#[test]
fn what_cannot_be_read_is_unknown_and_the_whole_is_kept_where_it_can() {
    assert_eq!(Parts::of(&Sample::default()), Parts::default());
    let blind = Sample { process: Process { rss: mib(7), ..Process::default() }, ..Sample::default() };
    assert_eq!(Parts::of(&blind), Parts { whole: mib(7), ..Parts::default() });
    let mut unread = sample(LimitSource::Cgroup);
    unread.cgroup = Some(Cgroup { usage: mib(400), ..Cgroup::default() });
    assert_eq!(Parts::of(&unread), Parts { whole: mib(400), ..Parts::default() });
}

fn amount() -> impl Strategy<Value = Bytes> {
    prop_oneof![0_u64..1 << 30, any::<u64>()].prop_map(Bytes::new)
}

fn known() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::weighted(0.9, amount())
}

proptest! {
    #[test]
    fn the_parts_are_disjoint_and_add_up_to_the_whole(
        source in prop_oneof![Just(LimitSource::Cgroup), Just(LimitSource::CgroupHigh), Just(LimitSource::Config)],
        (has_limit, has_allocator, has_cgroup) in any::<(bool, bool, bool)>(),
        [allocated, resident, external] in [amount(), amount(), amount()],
        [rss, anon, file, shmem] in [known(), known(), known(), known()],
        [usage, all_anon, active, inactive, all_shmem, kernel] in [known(), known(), known(), known(), known(), known()],
    ) {
        let sample = Sample {
            limit: has_limit.then_some(Limit { bytes: Bytes::gib(1), source, scope: 1 }),
            allocator: has_allocator.then_some(Allocator { allocated, resident, ..Allocator::default() }),
            process: Process { rss, anon, file, shmem, ..Process::default() },
            cgroup: has_cgroup.then_some(Cgroup {
                usage, anon: all_anon, file_active: active, file_inactive: inactive, shmem: all_shmem, kernel,
                ..Cgroup::default()
            }),
            external,
            ..Sample::default()
        };
        let parts = Parts::of(&sample);
        let sum = parts.each().into_iter().flatten().fold(0_u128, |sum, part| sum + u128::from(part.get()));
        let whole = parts.whole.map(|whole| u128::from(whole.get()));
        // Three amounts of a process can only exceed what a number can hold where nothing of it is true.
        prop_assume!(sum <= u128::from(u64::MAX));
        if parts.anon.is_some() {
            prop_assert_eq!(Some(sum), whole, "{:?}", parts);
        } else {
            prop_assert_eq!(sum, 0, "{:?}", parts);
        }
    }
}
