//! A child that was forked and runs on: what it inherits answers for its parent.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "fork has no safe form")]

use std::sync::{Arc, Mutex};

use highwater_model::SinceStart;
use highwater_sources::{Options, PerProcess, Regions, Sources};

#[test]
fn a_forked_child_reads_itself_and_not_its_parent() {
    let mut sources = Sources::open(Options::default(), Arc::new(Regions::new()));
    let parent = sources.sample(SinceStart::from_secs(1));
    assert!(parent.process.threads > Some(1), "the test harness has a thread of its own");
    assert!(in_a_child(|| sources.sample(SinceStart::from_secs(2)).process.threads == Some(1)));
}

#[test]
fn a_forked_child_makes_a_value_of_its_own_and_leaves_that_of_its_parent() {
    let place = PerProcess::new();
    let parents = place.get_or_make(|| Mutex::new("the parent's"));
    // Held at the fork, as if by another thread.
    let held = parents.lock().unwrap();
    assert!(in_a_child(|| {
        let own = place.get_or_make(|| Mutex::new("the child's"));
        own.try_lock().is_ok_and(|own| *own == "the child's")
    }));
    assert_eq!(*held, "the parent's");
}

/// Whether `holds` is true in a child.
fn in_a_child(holds: impl FnOnce() -> bool) -> bool {
    // SAFETY: fork(2): the child only looks and ends by _exit(2), without a word to the test harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let status = if holds() { 0 } else { 1 };
        // SAFETY: _exit(2) ends the process at once.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waitpid(2): `status` is a place for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}
