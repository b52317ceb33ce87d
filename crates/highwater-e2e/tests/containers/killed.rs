//! What the kernel kills is told by who comes after, with the kernel's own count as the proof.

use std::os::unix::process::ExitStatusExt;

use highwater_e2e::folder::Folder;

use super::*;

#[test]
fn the_next_start_in_the_cgroup_is_certain_that_the_kernel_killed_for_memory() {
    let test = "the_next_start_in_the_cgroup_is_certain_that_the_kernel_killed_for_memory";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let folder = Folder::temporary();
    let start = || {
        let program = Program::within(Some(&cgroup), &binary::example("driven"));
        Subject::of(program.variable("HIGHWATER_BLACK_BOX", folder.path().join("memory.box")))
    };
    let mut first = start();
    first.tell("take 76");
    let begun = console::wait_for_event(&first.0, BEGUN);
    // More than there is: it never comes back from this.
    first.tell("take 64");
    assert_eq!(first.0.wait().signal(), Some(9), "{}", console::said(&first.0));

    let second = start();
    let told = console::wait_for_event(&second.0, "highwater.previous_run.ended");
    let of = |name| told.attribute(name).to_owned();
    assert_eq!(of("highwater.exit.verdict"), "oom_killed");
    assert_eq!(of("highwater.exit.confidence"), "certain", "by the kernel's count: {}", console::said(&second.0));
    assert_eq!(of("highwater.previous_episode.id"), begun.attribute("highwater.episode.id"));
    second.end();
}
