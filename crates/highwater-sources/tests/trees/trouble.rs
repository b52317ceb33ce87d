//! Files that are garbage, gone, or not to be read: their own fields are blank, and the next refresh tries again.

use proptest::prelude::*;

use super::*;

#[test]
fn a_limit_that_was_never_understood_is_none_and_said() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", "plenty", 200);
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    assert_eq!((sample.limit, sample.used), (None, Some(OWN)));
    assert_eq!(reason(&sources, Source::Cgroup), "memory.max: its content is not understood");
}

#[test]
fn a_limit_that_is_no_longer_understood_stays_what_it_was() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    tree.write("sys/fs/cgroup/app/memory.max", "");
    sources.refresh();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(512));
    assert_eq!(reason(&sources, Source::Cgroup), "memory.max: its content is not understood");
    tree.write("sys/fs/cgroup/app/memory.max", "1073741824\n");
    sources.refresh();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(1024));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
}

#[test]
fn used_is_unknown_where_a_limit_stands_and_its_use_cannot_be_read() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    tree.write("sys/fs/cgroup/app/memory.stat", "garbage\n");
    let garbage = sample(&mut sources);
    assert_eq!((garbage.used, garbage.limit), (None, None), "never the process's own use instead");
    let cgroup = garbage.cgroup.unwrap();
    assert_eq!((cgroup.limited, cgroup.usage, cgroup.anon), (true, mib(200), None));
    assert_eq!(reason(&sources, Source::Cgroup), "memory.stat: its content is not understood");
    assert_eq!(glance(&mut sources).used, None);
    sources.refresh();
    assert_eq!(
        reason(&sources, Source::Cgroup),
        "memory.stat: its content is not understood",
        "it opens, and fails again"
    );
    assert_eq!(sample(&mut tree.open_with(mib(300))).limit.unwrap().source, LimitSource::Config);

    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    assert_eq!(sample(&mut sources).used, mib(140), "a sample tries again by itself");
}

#[test]
fn a_directory_that_cannot_be_read_leaves_the_others() {
    let tree = Tree::v2("/pod/app");
    tree.v2_directory("pod/app", &(512 * MIB).to_string(), 200);
    tree.v2_directory("pod", &(1024 * MIB).to_string(), 1000);
    tree.write("sys/fs/cgroup/pod/memory.current", "");
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    assert_eq!((sample.limit.unwrap().bytes, sample.used), (Bytes::mib(512), mib(140)));
    assert_eq!(reason(&sources, Source::Cgroup), "memory.current: its content is not understood");
}

#[test]
fn a_limited_directory_without_its_use_is_a_finding() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    tree.remove("sys/fs/cgroup/app/memory.stat");
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).used, None);
    assert!(reason(&sources, Source::Cgroup).starts_with("memory.stat: No such file"));
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    sources.refresh();
    assert_eq!(sample(&mut sources).used, mib(140));
}

#[test]
fn a_stat_file_that_fills_the_buffer_loses_its_half_line_and_not_a_digit() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut content = "anon 1048576\nactive_file 1048576\ninactive_file 1048576\n".to_owned();
    while content.len() < 16 * 1024 - 9 {
        content.push_str("x 1\n");
    }
    content.truncate(16 * 1024 - 9);
    content.push_str("\nshmem 123456789\n");
    tree.write("sys/fs/cgroup/app/memory.stat", &content);
    let cgroup = sample(&mut tree.open()).cgroup.unwrap();
    assert_eq!((cgroup.anon, cgroup.shmem), (mib(1), None));
}

#[test]
fn files_of_the_process_that_fail_blank_their_own_fields() {
    let tree = Tree::new();
    tree.write("proc/self/cgroup", "");
    tree.write("proc/self/mountinfo", "");
    tree.write("proc/self/status", "nothing\n");
    tree.remove("proc/self/stat");
    let mut sources = tree.open();
    let first = sample(&mut sources);
    assert_eq!((first.process.rss, first.process.anon, first.used), (mib(130), None, None));
    assert_eq!(first.process.minor_faults, None);
    assert_eq!(reason(&sources, Source::Proc), "status: its content is not understood");
    sources.refresh();
    assert_eq!(
        reason(&sources, Source::Proc),
        "status: its content is not understood",
        "not recovered by being opened"
    );

    let whole = Tree::new();
    tree.write("proc/self/status", &std::fs::read_to_string(whole.path().join("proc/self/status")).unwrap());
    assert_eq!(sample(&mut sources).used, Some(OWN));
    assert!(reason(&sources, Source::Proc).starts_with("stat: No such file"));
    tree.write("proc/self/stat", &std::fs::read_to_string(whole.path().join("proc/self/stat")).unwrap());
    sources.refresh();
    assert_eq!(sample(&mut sources).process.minor_faults, Some(500));
    assert_eq!(availability(&sources, Source::Proc), Availability::Available);
}

#[test]
fn a_cgroup_that_is_nowhere_mounted_is_a_finding() {
    let tree = Tree::new();
    tree.write("proc/self/cgroup", "0::/app\n");
    tree.write("proc/self/mountinfo", "");
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).used, Some(OWN));
    assert!(reason(&sources, Source::Cgroup).contains("not mounted"), "{}", reason(&sources, Source::Cgroup));
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    tree.write("proc/self/mountinfo", "31 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    sources.refresh();
    assert_eq!(sample(&mut sources).used, mib(140));
}

#[test]
fn a_process_that_is_moved_is_followed_at_the_next_refresh() {
    let tree = Tree::v2("/old");
    tree.v2_directory("old", &(512 * MIB).to_string(), 200);
    tree.v2_directory("new", &(256 * MIB).to_string(), 100);
    let mut sources = tree.open();
    tree.write("proc/self/cgroup", "0::/new\n");
    sources.refresh();
    let sample = sample(&mut sources);
    assert_eq!((sample.limit.unwrap().bytes, sample.used), (Bytes::mib(256), mib(40)));
    assert_eq!(sample.cgroup.unwrap().id, tree.id("sys/fs/cgroup/new"));
}

#[test]
fn a_known_limit_does_not_vanish_because_the_new_place_cannot_be_read() {
    let tree = Tree::v2("/old");
    tree.v2_directory("old", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    tree.remove("proc/self/mountinfo");
    tree.write("proc/self/cgroup", "0::/new\n");
    sources.refresh();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(512));
    assert!(reason(&sources, Source::Cgroup).starts_with("mountinfo: No such file"));

    tree.v2_directory("new", "max", 100);
    tree.write("proc/self/mountinfo", "31 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    sources.refresh();
    assert_eq!((sample(&mut sources).limit, sample(&mut sources).used), (None, Some(OWN)));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
}

#[test]
fn the_limits_of_a_place_that_the_process_left_for_one_out_of_sight_are_no_longer_its_own() {
    let tree = Tree::v2("/");
    tree.write("proc/self/mountinfo", "31 1 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    tree.v2_directory("", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(512));
    // Out of the namespace whose root is mounted.
    tree.write("proc/self/cgroup", "0::/../elsewhere\n");
    sources.refresh();
    let elsewhere = sample(&mut sources);
    assert_eq!((elsewhere.limit, elsewhere.used, elsewhere.cgroup), (None, Some(OWN), None));
    assert!(reason(&sources, Source::Cgroup).contains("not mounted"), "{}", reason(&sources, Source::Cgroup));
    tree.write("proc/self/cgroup", "0::/\n");
    sources.refresh();
    assert_eq!(sample(&mut sources).limit.unwrap().bytes, Bytes::mib(512));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
}

#[test]
fn without_proc_nobody_knows_of_a_limit() {
    let tree = Tree::new();
    tree.remove("proc");
    let mut sources = tree.open();
    let blind = sample(&mut sources);
    assert_eq!((blind.used, blind.limit, blind.cgroup), (None, None, None));
    assert_eq!(blind.process, highwater_model::Process::default());
    sources.refresh();
    assert_eq!(glance(&mut sources).used, None);
    let why = "No such file or directory (os error 2)";
    assert_eq!(reason(&sources, Source::Cgroup), format!("/proc/self: {why}"));
    assert_eq!(reason(&sources, Source::Proc), format!("statm: {why}"));

    let seen = Tree::v2("/app");
    seen.v2_directory("app", &(512 * MIB).to_string(), 200);
    std::fs::rename(seen.path().join("proc"), tree.path().join("proc")).unwrap();
    std::fs::rename(seen.path().join("sys"), tree.path().join("sys")).unwrap();
    sources.refresh();
    assert_eq!((sample(&mut sources).used, sample(&mut sources).limit.unwrap().bytes), (mib(140), Bytes::mib(512)));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_content_of_any_file_makes_a_reading_panic(
        contents in proptest::collection::vec("([a-z_]{0,8}[ :/=\\\\.\\PC]{0,4}[0-9]{0,22}\n?){0,6}", 12),
        path in "(/[a-c.]{1,3}){0,4}",
    ) {
        const FILES: [&str; 12] = [
            "proc/meminfo",
            "proc/self/statm",
            "proc/self/status",
            "proc/self/stat",
            "sys/fs/cgroup/a/memory.max",
            "sys/fs/cgroup/a/memory.high",
            "sys/fs/cgroup/a/memory.current",
            "sys/fs/cgroup/a/memory.stat",
            "sys/fs/cgroup/a/memory.events",
            "sys/fs/cgroup/a/memory.pressure",
            "proc/self/mountinfo",
            "proc/self/cgroup",
        ];
        let tree = Tree::v2("/a");
        tree.v2_directory("a", &(512 * MIB).to_string(), 200);
        let mut sources = tree.open();
        tree.write("proc/self/cgroup", &format!("0::{path}\n"));
        sources.refresh();
        for (file, content) in FILES.iter().zip(&contents) {
            tree.write(file, content);
            sources.glance(SinceStart::from_secs(1));
            let sample = sample(&mut sources);
            prop_assert!(sample.limit.is_none() || sample.used.is_some(), "a limit never stands without what is used of it");
            sources.refresh();
        }
        tree.open();
    }
}
