//! A child that was forked and runs on: the descriptors that it inherits still answer for its parent.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "fork has no safe form")]

use std::sync::Arc;

use highwater_model::SinceStart;
use highwater_sources::{Options, Regions, Sources};

#[test]
fn a_forked_child_reads_itself_and_not_its_parent() {
    let mut sources = Sources::open(Options::default(), Arc::new(Regions::new()));
    let parent = sources.sample(SinceStart::from_secs(1));
    assert!(parent.process.threads > Some(1), "the test harness has a thread of its own");

    // SAFETY: fork(2): the child only reads and ends by _exit(2), without a word to the test harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let is_itself = sources.sample(SinceStart::from_secs(2)).process.threads == Some(1);
        // SAFETY: _exit(2) ends the process at once.
        unsafe { libc::_exit(if is_itself { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waitpid(2): `status` is a place for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child saw its parent's threads");
}
