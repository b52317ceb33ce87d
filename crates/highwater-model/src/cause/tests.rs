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

#[test]
fn cached_files_are_the_cause_only_where_nothing_else_explains_the_growth() {
    let with_file = |heap, file| {
        let held = sample(heap, heap, heap, 0);
        Sample { process: Process { file: Some(Bytes::mib(file)), ..held.process }, ..held }
    };
    assert_eq!(cause(&with_file(10, 10), &with_file(30, 90)), Cause::Heap);
    let (calm, now) = (Parts::of(&with_file(10, 10)), Parts::of(&with_file(10, 90)));
    assert_eq!(now.grown_since(&calm, Bytes::mib(80)), Cause::File);
}

/// MiB of the heap and of what the program registered.
fn held(heap: u64, external: u64) -> (Bytes, Sample) {
    let used = heap.saturating_add(external);
    (Bytes::mib(used), sample(heap, heap, used, external))
}

fn note(calm: &mut Calm, minute: u64, (used, sample): (Bytes, Sample)) {
    calm.note(SinceStart::new(Duration::from_secs(minute.saturating_mul(60))), used, &sample);
}

/// What grew up to 25 MiB of the heap and 20 of what was registered.
fn since(calm: &Calm) -> Cause {
    let (used, sample) = held(25, 20);
    calm.cause(&sample, used)
}

#[test]
fn what_grew_is_judged_from_the_calmest_moment_and_of_two_from_the_earlier() {
    let mut calm = Calm::default();
    assert_eq!(since(&calm), Cause::Unknown);
    note(&mut calm, 0, held(22, 8));
    assert_eq!(since(&calm), Cause::External);
    note(&mut calm, 10, held(5, 15));
    note(&mut calm, 12, held(15, 5));
    note(&mut calm, 20, held(24, 16));
    assert_eq!(since(&calm), Cause::Heap);
}

#[test]
fn a_calm_moment_is_remembered_for_half_an_hour_to_an_hour() {
    let mut calm = Calm::default();
    note(&mut calm, 0, held(5, 15));
    for minute in (10..60).step_by(10) {
        note(&mut calm, minute, held(24, 16));
        assert_eq!(since(&calm), Cause::Heap, "after {minute} minutes");
    }
    note(&mut calm, 60, held(24, 16));
    assert_eq!(since(&calm), Cause::External);
}
