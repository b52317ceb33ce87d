//! What the cheap signals say.

use super::*;

#[test]
fn the_first_glance_needs_no_sample_before_it() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let first = glance(&mut tree.open());
    assert_eq!((first.used, first.limit.unwrap().bytes), (mib(140), Bytes::mib(512)));
    assert_eq!(glance(&mut Tree::new().open()).used, Some(OWN));
}

#[test]
fn a_glance_takes_the_reclaimable_part_of_the_last_sample_from_the_usage_now() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    let limit = sample(&mut sources).limit;
    tree.write("sys/fs/cgroup/app/memory.current", &(250 * MIB).to_string());
    assert_eq!((glance(&mut sources).used, glance(&mut sources).limit), (mib(190), limit));
}

#[test]
fn a_glance_may_find_another_limit_binding_than_the_last_sample() {
    let tree = Tree::v2("/pod/app");
    tree.v2_directory("pod/app", &(512 * MIB).to_string(), 400);
    tree.v2_directory("pod", &(1024 * MIB).to_string(), 700);
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(512));
    tree.write("sys/fs/cgroup/pod/memory.current", &(1000 * MIB).to_string());
    assert_eq!((glance(&mut sources).limit.unwrap().bytes, glance(&mut sources).used), (Bytes::mib(1024), mib(940)));
}

#[test]
fn a_glance_without_a_limit_follows_the_anonymous_memory_of_the_process() {
    let tree = Tree::new();
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).used, Some(OWN));
    assert_eq!(glance(&mut sources).used, Some(OWN), "33,280 resident less 7,680 shared pages are 100 MiB");
    tree.write("proc/self/statm", "100000 58880 7680 10 0 400 0\n");
    assert_eq!(glance(&mut sources).used, mib(215));
}

#[test]
fn a_glance_weighs_a_configured_limit_too() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open_with(mib(400));
    assert_eq!(sample(&mut sources).limit.unwrap().source, LimitSource::Config);
    tree.write("sys/fs/cgroup/app/memory.current", &(500 * MIB).to_string());
    assert_eq!(glance(&mut sources).limit.unwrap().source, LimitSource::Cgroup);
    tree.write("proc/self/statm", "100000 110080 7680 10 0 400 0\n");
    assert_eq!(
        (glance(&mut sources).limit.unwrap().source, glance(&mut sources).used),
        (LimitSource::Config, mib(415))
    );
}

#[test]
fn a_glance_that_cannot_read_the_usage_says_nothing() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    sample(&mut sources);
    tree.write("sys/fs/cgroup/app/memory.current", "lots\n");
    assert_eq!((glance(&mut sources).used, glance(&mut sources).limit), (None, None));
}

#[test]
fn a_glance_after_the_process_was_moved_builds_on_the_new_place() {
    let tree = Tree::v2("/old");
    tree.v2_directory("old", &(512 * MIB).to_string(), 200);
    tree.v2_directory("new", &(256 * MIB).to_string(), 100);
    let mut sources = tree.open();
    tree.write("proc/self/cgroup", "0::/new\n");
    sources.refresh();
    assert_eq!((glance(&mut sources).used, glance(&mut sources).limit.unwrap().bytes), (mib(40), Bytes::mib(256)));
}
