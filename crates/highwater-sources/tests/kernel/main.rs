//! Readings under the real kernel: processes in cgroups with limits, made for the test. Needs root, and a memory hierarchy
//! that can be written; says so where there is none.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]
#![allow(clippy::arithmetic_side_effects, reason = "numbers of a test are known")]

use std::path::Path;

use self::group::Group;
use self::helper::Helper;

mod group;
mod helper;
mod wakes;

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "the process that the other tests put into cgroups"]
fn helper() {
    // Only when it is asked for by name: whoever runs all ignored tests gives no orders.
    if std::env::args().any(|argument| argument == "helper") {
        helper::obey();
    }
}

/// A group with a limit, or a line that says why the test shows nothing.
fn limited(name: &str, bytes: u64) -> Option<Group> {
    match Group::new(name) {
        Ok(group) => {
            group.limit(bytes);
            Some(group)
        }
        Err(why) => {
            println!("not shown here: {why}");
            None
        }
    }
}

#[track_caller]
fn assert_near(what: &str, number: Option<u64>, expected: u64) {
    // The kernel charges in batches of 64 pages a processor.
    let tolerance = 3 * MIB;
    let number = number.unwrap_or_else(|| panic!("{what} is unknown"));
    assert!(number.abs_diff(expected) <= tolerance, "{what}: {number} and not about {expected}");
}

#[test]
fn limit_and_use_are_the_kernels() {
    let Some(group) = limited("use", 64 * MIB) else { return };
    let mut helper = Helper::start(group.path());
    let empty = helper.sample();
    assert_eq!((empty.limit, empty.scope), (Some(64 * MIB), Some(group.id())));
    helper.order("allocate 24");
    let reading = helper.sample();
    assert_near("usage", reading.usage, group.usage());
    assert_near("used", reading.used, group.usage() - group.reclaimable());
    assert_near("used", reading.used, empty.used.unwrap() + 24 * MIB);
    assert_near("the glance", reading.glance, reading.used.unwrap());
    assert_eq!(reading.cgroup, "Available");
}

#[test]
fn a_file_of_twice_the_limit_does_not_raise_what_is_used() {
    let Some(group) = limited("cache", 64 * MIB) else { return };
    let mut helper = Helper::start(group.path());
    helper.order("allocate 8");
    let before = helper.sample();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("highwater-cache-{}", std::process::id()));
    helper.order(&format!("fill {}", file.display()));
    helper.order(&format!("read {}", file.display()));
    let after = helper.sample();
    std::fs::remove_file(&file).unwrap();
    assert!(after.usage.unwrap() > 48 * MIB, "the page cache fills the cgroup: {after:?}");
    assert_near("used", after.used, before.used.unwrap());
    assert!(after.blocked > before.blocked, "reading files stops at the limit, which is no alarm: {after:?}");
    assert_eq!(after.kills, before.kills);
}

#[test]
fn a_parent_that_siblings_fill_binds_before_the_own_limit() {
    let Some(parent) = limited("parent", 96 * MIB) else { return };
    parent.delegate();
    let (leaf, sibling) = (parent.child("leaf"), parent.child("sibling"));
    leaf.limit(64 * MIB);
    let mut other = Helper::start(sibling.path());
    let mut helper = Helper::start(leaf.path());
    assert_eq!(helper.sample().scope, Some(leaf.id()));
    other.order("allocate 60");
    let reading = helper.sample();
    assert_eq!((reading.limit, reading.scope), (Some(96 * MIB), Some(parent.id())));
    assert_near("used", reading.used, parent.usage() - parent.reclaimable());
    drop((helper, other));
    drop((leaf, sibling));
}

#[test]
fn a_directory_that_is_gone_is_said_and_the_next_refresh_recovers() {
    let (Some(old), Some(new)) = (limited("old", 64 * MIB), limited("new", 48 * MIB)) else { return };
    let mut helper = Helper::start(old.path());
    assert_eq!(helper.sample().limit, Some(64 * MIB));
    helper.order(&format!("enter {}", new.path().display()));
    drop(old);

    let gone = helper.sample();
    assert_eq!((gone.used, gone.glance, gone.limit, gone.usage), (None, None, None, None));
    assert!(gone.cgroup.contains("No such device"), "{}", gone.cgroup);

    helper.order("refresh");
    let found = helper.sample();
    assert_eq!((found.limit, found.scope), (Some(48 * MIB), Some(new.id())));
    assert!(found.used.is_some());
    assert_eq!(found.cgroup, "Available");
}

#[test]
fn a_limit_that_is_changed_in_place_is_seen_at_the_next_refresh() {
    let Some(group) = limited("resize", 64 * MIB) else { return };
    let mut helper = Helper::start(group.path());
    assert_eq!(helper.sample().limit, Some(64 * MIB));
    group.limit(80 * MIB);
    helper.order("refresh");
    assert_eq!((helper.sample().limit, helper.sample().scope), (Some(80 * MIB), Some(group.id())));
}

#[test]
fn a_kill_by_the_kernel_is_counted() {
    let Some(group) = limited("kill", 48 * MIB) else { return };
    let mut witness = Helper::start(group.path());
    let mut victim = Helper::start(group.path());
    let before = witness.sample();
    assert_eq!(victim.try_order("allocate 128"), None, "the kernel kills the largest");
    let after = witness.sample();
    assert_eq!(after.kills, before.kills.map(|kills| kills + 1));
    assert!(after.blocked > before.blocked);
}

#[test]
fn a_hybrid_has_the_pressure_of_its_unified_cgroup_and_never_the_machines() {
    let Some(group) = limited("hybrid", 64 * MIB).filter(Group::is_v1) else {
        println!("not shown here: memory is not on v1");
        return;
    };
    let unified = match Group::unified("hybrid") {
        Ok(unified) => unified,
        Err(why) => {
            println!("not shown here: {why}");
            return;
        }
    };
    let mut helper = Helper::start(group.path());
    let before = helper.sample();
    helper.order(&format!("enter {}", unified.path().display()));
    helper.order("refresh");
    let after = helper.sample();
    assert_eq!(after.limit, before.limit, "the memory stays where it was");
    assert!(after.stalled.is_some(), "{after:?}");
    helper.order(&format!("enter {}", unified.path().parent().unwrap().display()));
    helper.order("refresh");
    assert_eq!(helper.sample().stalled, None, "the root's pressure is the machine's");
}
