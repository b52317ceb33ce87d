//! What the kernel's own count says of a run that it killed, in a cgroup that outlives it.

use std::time::Duration;

use highwater_e2e::folder::Folder;

use super::*;

/// One with a box at `path`.
#[track_caller]
fn boxed(cgroup: &Cgroup, path: &Path) -> Subject {
    Subject::of(Program::within(Some(cgroup), &binary::example("driven")).variable("HIGHWATER_BLACK_BOX", path))
}

/// Fills the cgroup slowly from 72 MiB on, so that there is a sample near the limit however busy the machine is, until the
/// kernel kills.
#[track_caller]
fn fill(subject: &mut Subject) {
    subject.tell("take 72");
    console::wait_for_event(&subject.0, BEGUN);
    wait::steadily(Duration::from_millis(150), 200, || {
        let has_ended = subject.0.ended().is_some();
        if !has_ended {
            subject.0.offer("take 1");
        }
        has_ended
    });
}

#[test]
fn the_next_run_in_the_same_cgroup_knows_by_the_kernel_s_count_that_the_one_before_was_killed_for_memory() {
    let test = "the_next_run_in_the_same_cgroup_knows_by_the_kernel_s_count_that_the_one_before_was_killed_for_memory";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    // Twice: of the second the count was not zero when it began.
    for _ in 0..2 {
        fill(&mut boxed(&cgroup, &path));
        let next = boxed(&cgroup, &path);
        next.wait_for_word("the previous run was killed for memory (certain)");
        let ended = console::wait_for_event(&next.0, "highwater.previous_run.ended");
        assert_eq!(ended.attribute("highwater.exit.verdict"), "oom_killed");
        assert_eq!(ended.attribute("highwater.count"), "1");
        next.end();
    }
    // One that nobody kills for memory is none of these, although the count is not zero.
    let mut subject = boxed(&cgroup, &path);
    subject.tell("take 8");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 8.0 * MIB as f64);
    subject.0.signal("KILL");
    subject.0.wait();
    let next = boxed(&cgroup, &path);
    // How certain that is depends on whether a sample had been kept by then.
    next.wait_for_word("the previous run was killed (");
    next.end();
}

#[test]
fn the_next_run_in_another_directory_below_the_limit_does_not_take_its_count_for_that_of_the_one_before() {
    let test = "the_next_run_in_another_directory_below_the_limit_does_not_take_its_count_for_that_of_the_one_before";
    let Some(slice) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    // As of a service that is started again: v1 counts kills in the directory that is gone, v2 in the one above as well.
    let first = slice.child("first");
    fill(&mut boxed(&first, &path));
    drop(first);
    let second = slice.child("second");
    let next = boxed(&second, &path);
    next.wait_for_word("the previous run was killed for memory (");
    next.end();
    drop(second);
}
