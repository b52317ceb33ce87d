use super::*;

fn v1(path: &str, mounts: &[(&str, &str)]) -> Result<Option<Hierarchy>, Reason> {
    let mounts: String = mounts
        .iter()
        .map(|(root, point)| format!("35 31 0:32 {root} {point} rw shared:1 - cgroup cgroup rw,memory\n"))
        .collect();
    locate(format!("4:memory:{path}\n0::/\n").as_bytes(), mounts.as_bytes()).memory
}

fn at(point: &str, below: &str) -> Result<Option<Hierarchy>, Reason> {
    Ok(Some(Hierarchy { version: Version::V1, point: point.into(), below: below.into(), whole: true }))
}

fn cut_short_at(point: &str) -> Result<Option<Hierarchy>, Reason> {
    Ok(Some(Hierarchy { version: Version::V1, point: point.into(), below: "".into(), whole: false }))
}

fn unseen() -> Result<Option<Hierarchy>, Reason> {
    Err(Reason::new("cgroup", Fault::Unseen))
}

#[test]
fn the_directory_is_below_the_mount_point_by_what_the_root_leaves_of_the_path() {
    assert_eq!(v1("/a/b", &[("/", "/cg")]), at("/cg", "a/b"));
    assert_eq!(v1("/docker/1/inner", &[("/docker/1", "/cg")]), at("/cg", "inner"));
    assert_eq!(v1("/", &[("/", "/cg")]), at("/cg", ""));
}

#[test]
fn a_root_is_a_prefix_by_whole_components() {
    assert_eq!(v1("/docker/abc", &[("/docker/ab", "/cg")]), unseen());
}

#[test]
fn of_several_mounts_the_one_that_shows_most_ancestors_counts() {
    assert_eq!(v1("/a/b", &[("/a/b", "/narrow"), ("/", "/wide"), ("/x", "/other")]), at("/wide", "a/b"));
    assert_eq!(v1("/a/b", &[("/", "/covered"), ("/", "/later")]), at("/later", "a/b"));
}

#[test]
fn a_mount_from_outside_the_namespace_ends_at_its_mount_point() {
    assert_eq!(v1("/", &[("/../..", "/cg")]), cut_short_at("/cg"));
    assert_eq!(v1("/own", &[("/..", "/cg")]), cut_short_at("/cg"));
}

#[test]
fn a_process_outside_its_namespaces_root_is_found_where_a_mount_contains_it() {
    assert_eq!(v1("/../sibling", &[("/..", "/cg")]), at("/cg", "sibling"));
    assert_eq!(v1("/../../far", &[("/", "/cg")]), unseen());
    assert_eq!(v1("/../sibling", &[("/../other", "/cg")]), unseen());
}

#[test]
fn a_process_in_the_root_of_a_hierarchy_that_is_not_mounted_is_in_none() {
    assert_eq!(v1("/", &[]), Ok(None));
    assert_eq!(v1("/a", &[]), unseen());
}

#[test]
fn memory_is_on_v2_only_where_no_v1_hierarchy_has_it() {
    let mounts = b"1 1 0:1 / /v1 rw - cgroup cgroup rw,memory\n2 1 0:2 / /v2 rw - cgroup2 cgroup2 rw\n";
    let located = locate(b"4:memory:/a\n0::/b\n", mounts);
    assert_eq!(located.memory.unwrap().unwrap().version, Version::V1);
    assert_eq!(located.unified.unwrap().below, Path::new("b"));
    let located = locate(b"4:cpu:/a\n0::/b\n", mounts);
    assert_eq!(located.memory.unwrap().unwrap().version, Version::V2);
    assert_eq!(locate(b"4:cpu:/a\n", mounts).memory, Ok(None));
}

#[test]
fn the_directories_go_from_the_process_up_to_the_mount_point() {
    let hierarchy = at("/cg", "a/b").unwrap().unwrap();
    let folders: Vec<_> = hierarchy.folders(Path::new("/fixture")).collect();
    assert_eq!(folders, ["/fixture/cg/a/b", "/fixture/cg/a", "/fixture/cg"].map(PathBuf::from));
    let hierarchy = at("/cg", "").unwrap().unwrap();
    assert_eq!(hierarchy.folders(Path::new("/")).collect::<Vec<_>>(), [PathBuf::from("/cg")]);
}
