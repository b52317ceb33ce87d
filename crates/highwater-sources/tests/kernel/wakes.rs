//! What wakes a waiter: the files of real cgroups.

use std::path::PathBuf;
use std::time::Duration;

use highwater_sources::{Signs, Waiter, Woken, waiter};

use super::group::Group;
use super::helper::Helper;
use super::{MIB, limited};

const MOMENT: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits as long as it takes, signals left out.
fn wait(waiter: &mut Waiter) -> Woken {
    (0..100).map(|_| waiter.wait(PATIENCE)).find(|woken| *woken != Woken::Time).unwrap()
}

/// How often the kernel is heard in a second.
fn heard(waiter: &mut Waiter) -> usize {
    (0..50).filter(|_| waiter.wait(MOMENT) == Woken::Kernel).count()
}

/// The file of a group that says so when something happens in it: where memory is on v1, that of the unified hierarchy, which
/// says when its first process comes and its last one goes.
fn group(name: &str) -> Option<(Group, PathBuf)> {
    let (group, file) = match limited(name, 64 * MIB)? {
        group if group.is_v1() => (Group::unified(name), "cgroup.events"),
        group => (Ok(group), "memory.events"),
    };
    match group {
        Ok(group) => {
            let events = group.path().join(file);
            Some((group, events))
        }
        Err(why) => {
            println!("not shown here: {why}");
            None
        }
    }
}

#[test]
fn what_happens_at_a_limit_is_heard_at_once_and_once() {
    let Some((group, events)) = group("events") else { return };
    let (mut waiter, _stop) = waiter();
    let pressure = Some(group.path().join("memory.pressure"));
    waiter.listen_to(&Signs { events: Some(events), pressure });
    assert_eq!(heard(&mut waiter), 0, "nothing happened");
    let mut helper = Helper::start(group.path());
    if !group.is_v1() && group.path().join("memory.max").exists() {
        let _ = helper.try_order("allocate 128");
    }
    assert_eq!(wait(&mut waiter), Woken::Kernel);
    drop(helper);
    heard(&mut waiter);
    assert_eq!(heard(&mut waiter), 0, "it is over");
}

#[test]
fn a_cgroup_that_is_gone_is_not_listened_to() {
    let Some((group, events)) = group("gone") else { return };
    let (mut waiter, _stop) = waiter();
    let signs = Signs { events: Some(events), pressure: Some(group.path().join("memory.pressure")) };
    waiter.listen_to(&signs);
    drop(group);
    assert_eq!(heard(&mut waiter), 0, "its files are ready for ever, and in error");
    waiter.listen_to(&signs);
    assert_eq!(heard(&mut waiter), 0);
}

#[test]
fn a_limit_that_binds_says_where_it_is_met() {
    let Some(group) = limited("signs", 64 * MIB) else { return };
    let mut helper = Helper::start(group.path());
    let signs = helper.order("signs");
    let events = if group.is_v1() { String::new() } else { format!("{}/memory.events", group.path().display()) };
    assert_eq!(signs.split('|').next(), Some(events.as_str()), "{signs}");
    assert!(signs.ends_with("memory.pressure") || signs.ends_with("/proc/pressure/memory"), "{signs}");
}
