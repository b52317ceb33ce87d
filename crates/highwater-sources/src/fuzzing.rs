//! The way of the fuzz targets to the parsers, which nobody else calls by themselves.
//!
//! Nothing may panic here; what can be said about a result beyond that is asserted, also in a build without debug
//! assertions.
#![allow(missing_docs, reason = "compiled for the fuzz targets only, which say what each is")]

use std::hint::black_box;
use std::path::{Component, Path};

use crate::cgroup;
use crate::parse::{container, keyed, memory_stat, pressure, stat, statm, status};

pub fn process_files(content: &[u8]) {
    if let Some(statm) = black_box(statm::parse(content)) {
        let again = format!("{} {} {}", statm.size, statm.resident, statm.shared);
        assert_eq!(statm::parse(again.as_bytes()), Some(statm));
    }
    black_box(status::parse(content));
    black_box(stat::parse(content));
    black_box(stat::start_ticks(content));
    black_box(stat::boot_seconds(content));
    black_box(keyed::memory_total(content));
}

pub fn cgroup_files(content: &[u8]) {
    if let Some(limit) = black_box(keyed::limit(content)) {
        assert_eq!(limit, keyed::amount(content));
    }
    black_box(keyed::events(content));
    black_box(keyed::oom_kills(content));
    black_box(memory_stat::v1(content));
    black_box(memory_stat::v2(content));
    black_box(memory_stat::hierarchical_limit(content));
    black_box(pressure::parse(content));
}

pub fn cgroup_places(membership: &[u8], mounts: &[u8]) {
    if let Some(id) = container::in_membership(membership) {
        assert_eq!(id.len(), 64);
    }
    if let Some(id) = container::in_mounts(mounts) {
        assert_eq!(id.len(), 64);
    }
    let root = Path::new("/root");
    for folder in cgroup::folders(membership, mounts, root) {
        assert!(folder.starts_with(root), "{folder:?}");
        let climbs = folder.components().any(|part| part == Component::ParentDir);
        assert!(!climbs || names_a_parent(mounts), "{folder:?}");
    }
}

/// The kernel never names a mount point by way of a parent: where the input does, so may the result.
fn names_a_parent(mounts: &[u8]) -> bool {
    crate::parse::mountinfo::parse(mounts).any(|mount| mount.point.windows(2).any(|window| window == b".."))
}
