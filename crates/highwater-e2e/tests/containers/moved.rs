//! A process that finds itself in another place, or cannot find itself.

use super::*;

#[test]
fn a_process_that_is_moved_is_followed_although_its_old_cgroup_is_gone() {
    let test = "a_process_that_is_moved_is_followed_although_its_old_cgroup_is_gone";
    let Some(old) = Cgroup::limited(test, 128 * MIB) else { return };
    let new = Cgroup::limited(test, 96 * MIB).unwrap();
    let mut subject = Subject::start(Some(&old));
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    subject.wait_for_limit(128 * MIB);
    new.enter(subject.0.id());
    drop(old);
    subject.wait_for_limit(96 * MIB);
    let error = subject.0.error();
    let lost = error.matches("cannot read cgroup: ").count();
    assert!(lost <= 1 && error.matches("cgroup can be read again").count() == lost, "{error}");
    assert!(console::events(&subject.0).iter().all(|event| event.name().starts_with("highwater.source.")), "{error}");
    // What it takes from now on counts in the new place.
    subject.tell("take 80");
    assert_eq!(console::wait_for_event(&subject.0, BEGUN).number("highwater.memory.limit"), 96.0 * MIB as f64);
    subject.end();
}

#[test]
fn a_process_that_is_moved_during_an_episode_is_judged_by_its_new_limit() {
    let test = "a_process_that_is_moved_during_an_episode_is_judged_by_its_new_limit";
    let Some(old) = Cgroup::limited(test, 96 * MIB) else { return };
    let new = Cgroup::limited(test, 128 * MIB).unwrap();
    let mut subject = Subject::start(Some(&old));
    subject.tell("take 80");
    console::wait_for_event(&subject.0, BEGUN);
    new.enter(subject.0.id());
    // Its memory stays charged to the old place; nothing is used of the new limit.
    let ended = console::wait_for_event(&subject.0, ENDED);
    assert_eq!(ended.number("highwater.memory.limit"), 128.0 * MIB as f64);
    subject.end();
}

#[test]
fn in_a_namespace_without_a_mount_of_its_own_the_limit_is_said_to_be_unknown() {
    let test = "in_a_namespace_without_a_mount_of_its_own_the_limit_is_said_to_be_unknown";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let mut subject = Subject::prepared(&cgroup, &["--cgroup"], "");
    let why = "cgroup: the kernel names it, but it is not mounted where this process can see it";
    subject.wait_for_word(&format!(": limit unknown (cgroup: {why}), "));
    subject.wait_for_word(&format!("cannot read cgroup: {why}; its numbers are absent"));
    subject.tell("take 64");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 64.0 * MIB as f64);
    subject.assert_absent(&["highwater.memory.limit", "highwater.memory.utilization"]);
    assert_eq!(subject.0.error().matches("cannot read").count(), 1, "{}", subject.0.error());
    subject.end();
}

#[test]
fn in_a_namespace_with_a_mount_of_its_own_the_limit_is_seen_at_the_mount_point() {
    let test = "in_a_namespace_with_a_mount_of_its_own_the_limit_is_seen_at_the_mount_point";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let mount = match cgroup.version() {
        Version::V1 => "umount \"$2\"; mount -t cgroup -o memory cgroup \"$2\"",
        Version::V2 => "umount \"$2\"; mount -t cgroup2 cgroup \"$2\"",
    };
    let mut subject = Subject::prepared(&cgroup, &["--cgroup"], mount);
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    subject.tell("take 100");
    assert_eq!(console::wait_for_event(&subject.0, BEGUN).number("highwater.memory.limit"), 128.0 * MIB as f64);
    subject.end();
}
