//! Which limit binds.

use super::*;

#[test]
fn an_ancestor_with_less_headroom_binds_with_its_own_use() {
    let tree = Tree::v2("/pod/app");
    tree.v2_directory("pod/app", &(512 * MIB).to_string(), 260);
    tree.v2_directory("pod", &(1024 * MIB).to_string(), 960);
    let sample = sample(&mut tree.open());
    let scope = tree.id("sys/fs/cgroup/pod");
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::mib(1024), source: LimitSource::Cgroup, scope }));
    assert_eq!(sample.used, mib(900));
    assert_eq!(sample.cgroup.unwrap().id, scope);
}

#[test]
fn without_a_limit_the_process_is_judged_and_its_cgroup_reported() {
    let tree = Tree::v2("/user/session");
    tree.v2_directory("user/session", "max", 300);
    tree.v2_directory("user", "max", 900);
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    assert_eq!((sample.used, sample.limit), (Some(OWN), None));
    let cgroup = sample.cgroup.unwrap();
    assert_eq!((cgroup.id, cgroup.limited, cgroup.usage), (tree.id("sys/fs/cgroup/user/session"), false, mib(300)));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
}

#[test]
fn the_root_of_v2_has_no_memory_controller_and_is_no_finding() {
    let tree = Tree::v2("/");
    tree.write("sys/fs/cgroup/memory.stat", "anon 1\n");
    tree.write("sys/fs/cgroup/memory.pressure", "some avg10=0.00 total=5\n");
    let mut sources = tree.open();
    assert_eq!((sample(&mut sources).used, sample(&mut sources).cgroup), (Some(OWN), None));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Absent);
    assert_eq!(availability(&sources, Source::Pressure), Availability::Absent);
}

#[test]
fn a_leaf_without_the_controller_stands_under_its_ancestors() {
    let tree = Tree::v2("/app/thread");
    tree.write("sys/fs/cgroup/app/thread/cgroup.procs", "7\n");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let sample = sample(&mut tree.open());
    assert_eq!(sample.used, mib(140));
    assert_eq!(sample.cgroup.unwrap().id, tree.id("sys/fs/cgroup/app"));
}

#[test]
fn memory_high_binds_before_memory_max() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    tree.write("sys/fs/cgroup/app/memory.high", &(256 * MIB).to_string());
    let sample = sample(&mut tree.open());
    let scope = tree.id("sys/fs/cgroup/app");
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::mib(256), source: LimitSource::CgroupHigh, scope }));
    assert_eq!(sample.used, mib(140));
    assert!(sample.cgroup.unwrap().limited);
}

#[test]
fn a_configured_limit_competes_with_what_the_process_uses() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 400);
    // The cgroup has 512 - 340 = 172 MiB left; the process 300 - 115 = 185 and 280 - 115 = 165.
    let idle = sample(&mut tree.open_with(mib(300)));
    assert_eq!((idle.limit.unwrap().source, idle.used), (LimitSource::Cgroup, mib(340)));
    let bound = sample(&mut tree.open_with(mib(280)));
    assert_eq!(bound.limit, Some(Limit { bytes: Bytes::mib(280), source: LimitSource::Config, scope: 0 }));
    assert_eq!(bound.used, Some(OWN));
    assert!(bound.cgroup.unwrap().limited, "the cgroup is reported, whatever binds");
}

#[test]
fn a_configured_limit_binds_where_there_is_no_cgroup() {
    let sample = sample(&mut Tree::new().open_with(mib(300)));
    assert_eq!((sample.limit.unwrap().bytes, sample.used), (Bytes::mib(300), Some(OWN)));
}

#[test]
fn more_than_all_memory_is_no_limit() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(16 * 1024 * MIB + 4096).to_string(), 200);
    assert_eq!(sample(&mut tree.open()).limit, None);
    let tree = Tree::v1("/app", "/");
    tree.v1_directory("app", NONE, NONE, 200);
    tree.remove("proc/meminfo");
    assert_eq!(sample(&mut tree.open()).limit, None, "also where the size of the memory is unknown");
}

#[test]
fn exactly_all_memory_is_a_limit_since_lxcfs_shows_a_container_its_own() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(16 * 1024 * MIB).to_string(), 200);
    assert_eq!(sample(&mut tree.open()).limit.unwrap().bytes, Bytes::gib(16));
}

#[test]
fn a_v1_container_feels_the_limit_of_an_ancestor_that_it_cannot_see() {
    let tree = Tree::v1("/docker/abc", "/docker/abc");
    tree.v1_directory("", NONE, 300 * MIB, 200);
    let sample = sample(&mut tree.open());
    assert_eq!((sample.limit.unwrap().bytes, sample.used), (Bytes::mib(300), mib(150)));
    assert_eq!(sample.limit.unwrap().scope, tree.id("sys/fs/cgroup/memory"));
}

#[test]
fn a_v1_container_that_sees_its_limit_does_not_count_it_twice() {
    let tree = Tree::v1("/docker/abc", "/docker/abc");
    tree.v1_directory("", 300 * MIB, 300 * MIB, 200);
    assert_eq!(sample(&mut tree.open()).limit.unwrap().bytes, Bytes::mib(300));
}

#[test]
fn a_cgroup_namespace_shows_the_container_at_the_mount_point() {
    for root in ["/", "/../.."] {
        let tree = Tree::v2("/");
        tree.write("proc/self/mountinfo", &format!("31 1 0:26 {root} /sys/fs/cgroup ro - cgroup2 cgroup rw\n"));
        tree.v2_directory("", &(512 * MIB).to_string(), 200);
        let sample = sample(&mut tree.open());
        assert_eq!((sample.limit.unwrap().bytes, sample.used), (Bytes::mib(512), mib(140)), "{root}");
        assert!(sample.cgroup.unwrap().pressure.some.is_some(), "a namespace's root is not the machine's");
    }
}

#[test]
fn a_mount_point_may_have_a_blank_in_its_name() {
    let tree = Tree::v2("/app");
    tree.write("proc/self/mountinfo", "31 1 0:26 / /sys/fs/c\\040group rw - cgroup2 cgroup2 rw\n");
    tree.write("sys/fs/c group/app/memory.max", "1048576\n");
    tree.write("sys/fs/c group/app/memory.current", "4096\n");
    tree.write("sys/fs/c group/app/memory.stat", "anon 1\ninactive_file 0\nactive_file 0\n");
    assert_eq!(sample(&mut tree.open()).limit.unwrap().bytes, Bytes::mib(1));
}

#[test]
fn limits_are_seen_up_to_the_thirty_second_directory_and_a_deeper_place_is_a_finding() {
    let path = |depth: usize| (1..=depth).map(|n| n.to_string()).collect::<Vec<_>>().join("/");
    // The mount point is a directory too.
    for (depth, limited, seen) in [(31, 1, true), (32, 1, true), (33, 2, true), (33, 1, false)] {
        let tree = Tree::v2(&format!("/{}", path(depth)));
        for depth in 1..=depth {
            tree.v2_directory(&path(depth), "max", 200);
        }
        tree.v2_directory(&path(limited), &(512 * MIB).to_string(), 200);
        let mut sources = tree.open();
        assert_eq!(sample(&mut sources).limit.is_some(), seen, "{depth} deep, {limited} is limited");
        let deeper = reason(&sources, Source::Cgroup).contains("nested more than 32 deep");
        assert_eq!(deeper, depth > 31, "{}", reason(&sources, Source::Cgroup));
    }
}

#[test]
fn a_v1_ancestor_that_does_not_count_its_children_does_not_bind_them() {
    for (hierarchical, bound) in [("1\n", 256), ("0\n", 512)] {
        let tree = Tree::v1("/pod/app", "/");
        tree.v1_directory("", NONE, NONE, 4000);
        tree.v1_directory("pod", 256 * MIB, 256 * MIB, 250);
        tree.v1_directory("pod/app", 512 * MIB, bound * MIB, 200);
        // A directory that counts only itself says so of those below it, not of itself.
        tree.write("sys/fs/cgroup/memory/pod/memory.use_hierarchy", hierarchical);
        tree.write("sys/fs/cgroup/memory/pod/app/memory.use_hierarchy", "0\n");
        assert_eq!(sample(&mut tree.open()).limit.unwrap().bytes, Bytes::mib(bound), "{hierarchical}");
    }
}

#[test]
fn a_limit_that_is_changed_set_or_lifted_in_place_is_seen_at_the_next_refresh() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    let mut limit_after = |max: &str| {
        tree.write("sys/fs/cgroup/app/memory.max", max);
        sources.refresh();
        let sample = sample(&mut sources);
        (sample.limit.map(|limit| limit.bytes), sample.used)
    };
    assert_eq!(limit_after("1073741824\n"), (mib(1024), mib(140)));
    assert_eq!(limit_after("max\n"), (None, Some(OWN)));
    assert_eq!(limit_after("536870912\n"), (mib(512), mib(140)));
}

#[test]
fn a_fallback_limit_holds_only_where_there_is_no_other() {
    let tree = Tree::v2("/app");
    tree.v2_directory("app", "max", 200);
    let options = Options { root: tree.path().to_path_buf(), fallback: mib(512), ..Options::default() };
    let mut sources = Sources::open(options, Arc::new(Regions::new()));
    let bound = sample(&mut sources).limit.unwrap();
    assert_eq!((bound.bytes, bound.source), (Bytes::mib(512), LimitSource::Config));
    tree.write("sys/fs/cgroup/app/memory.max", &(1024 * MIB).to_string());
    sources.refresh();
    let bound = sample(&mut sources).limit.unwrap();
    assert_eq!((bound.bytes, bound.source), (Bytes::mib(1024), LimitSource::Cgroup));
}

#[test]
fn the_signs_are_those_of_the_limit_that_binds_and_of_the_process() {
    let tree = Tree::v2("/pod/app");
    tree.v2_directory("pod/app", &(512 * MIB).to_string(), 260);
    tree.v2_directory("pod", &(1024 * MIB).to_string(), 960);
    let at = |path: &str| Some(tree.path().join(path));
    let sources = tree.open();
    assert_eq!(sources.signs().events, at("sys/fs/cgroup/pod/memory.events"));
    assert_eq!(sources.signs().pressure, at("sys/fs/cgroup/pod/app/memory.pressure"));

    let unlimited = Tree::new();
    let signs = unlimited.open().signs();
    assert_eq!((signs.events, signs.pressure), (None, Some(unlimited.path().join("proc/pressure/memory"))));

    let v1 = Tree::v1("/app", "/");
    v1.v1_directory("app", 512 * MIB, 512 * MIB, 260);
    assert_eq!(v1.open().signs().events, None, "nothing there can be polled");
}
