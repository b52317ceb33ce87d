//! What the kernel's own count says of a run that it killed, in a cgroup that outlives it.

use std::time::Duration;

use highwater_e2e::folder::Folder;

use super::*;

/// One with a box at `path`.
#[track_caller]
fn boxed(cgroup: &Cgroup, path: &Path) -> Subject {
    Subject::of(Program::within(Some(cgroup), &binary::example("driven")).variable("HIGHWATER_BLACK_BOX", path))
}

#[test]
fn the_next_run_in_the_same_cgroup_knows_by_the_kernel_s_count_that_the_one_before_was_killed_for_memory() {
    let test = "the_next_run_in_the_same_cgroup_knows_by_the_kernel_s_count_that_the_one_before_was_killed_for_memory";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let path = folder.path().join("memory.box");
    // Twice: of the second the count was not zero when it began.
    for _ in 0..2 {
        let mut subject = boxed(&cgroup, &path);
        // Slowly from there on, so that there is a sample near the limit however busy the machine is.
        subject.tell("take 72");
        console::wait_for_event(&subject.0, BEGUN);
        wait::steadily(Duration::from_millis(150), 200, || {
            let has_ended = subject.0.ended().is_some();
            if !has_ended {
                subject.0.offer("take 1");
            }
            has_ended
        });
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
