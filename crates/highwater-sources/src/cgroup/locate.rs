//! Where the directories of this process's cgroups are: a join of `/proc/self/cgroup` with `/proc/self/mountinfo`.
//!
//! No path is taken for granted. A container may see its own cgroup at the mount point (a bind mount, or a namespace), or
//! the whole tree, or a tree in which it cannot find itself; then the mount point still is an ancestor, whose limits hold.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::MAX_DEPTH;
use crate::availability::{Availability, Fault, Reason};
use crate::parse::membership;
use crate::parse::mountinfo::{self, Mount};

/// The version of the hierarchy that has the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A place in a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// Where the hierarchy is mounted.
    pub(super) point: PathBuf,
    /// From there to the directory of the process; empty where that cannot be derived.
    pub(super) below: PathBuf,
    /// Whether `below` leads to the directory of the process, or is cut short: then its own limits cannot be seen.
    pub(super) whole: bool,
}

/// The hierarchies of this process.
#[derive(Debug)]
pub(super) struct Located {
    /// The one with the memory controller; `None` where the process is in none.
    pub(super) memory: Result<Option<Hierarchy>, Reason>,
    /// The unified one, which has the pressure.
    pub(super) unified: Option<Hierarchy>,
}

impl Hierarchy {
    /// The directories from the process's own up to the mount point, below `root`.
    pub(super) fn folders(&self, root: &Path) -> impl Iterator<Item = PathBuf> {
        let point = root.join(relative(&self.point));
        self.below.ancestors().map(move |below| if below == Path::new("") { point.clone() } else { point.join(below) })
    }

    /// Whether all limits over the process can be seen from here.
    pub(super) fn availability(&self, root: &Path) -> Availability {
        let fault = if !self.whole {
            // The limits of ancestors are known; those of the process's own cgroup are not.
            Fault::Unseen
        } else if self.version == Version::V2 && self.folders(root).nth(MAX_DEPTH).is_some() {
            // On v1 the last directory answers for those above it.
            Fault::TooDeep
        } else {
            return Availability::Available;
        };
        Availability::Unavailable(Reason::new("cgroup", fault))
    }
}

pub(super) fn locate(membership: &[u8], mounts: &[u8]) -> Located {
    let membership = membership::parse(membership);
    let unified = membership.unified.and_then(|path| find(Version::V2, path, mounts).ok()?);
    let memory = match (membership.memory, membership.unified) {
        (Some(path), _) => find(Version::V1, path, mounts),
        (None, Some(path)) => find(Version::V2, path, mounts),
        (None, None) => Ok(None),
    };
    Located { memory, unified }
}

/// Finds the mount that shows most of the way to the cgroup `path`.
fn find(version: Version, path: &[u8], mounts: &[u8]) -> Result<Option<Hierarchy>, Reason> {
    let shows = |mount: &Mount<'_>| match version {
        Version::V1 => mount.is_v1_memory(),
        Version::V2 => mount.is_unified(),
    };
    let path = as_path(path);
    let mut best: Option<(usize, Hierarchy)> = None;
    for mount in mountinfo::parse(mounts).filter(shows) {
        let root = as_path(&mount.root);
        let Some((below, whole)) = below(path, root) else { continue };
        // The shorter the root, the more ancestors can be seen. Of equals the later: it may cover the earlier one.
        let length = root.components().count();
        if best.as_ref().is_none_or(|(shortest, _)| length <= *shortest) {
            let point = as_path(&mount.point).to_path_buf();
            best = Some((length, Hierarchy { version, point, below: below.to_path_buf(), whole }));
        }
    }
    match best {
        Some((_, hierarchy)) => Ok(Some(hierarchy)),
        // A root in which nothing is limited needs no mount. (A namespace's root looks the same.)
        None if path == Path::new("/") => Ok(None),
        None => Err(Reason::new("cgroup", Fault::Unseen)),
    }
}

/// The way from the directory that is mounted (`root`) to the cgroup (`path`), if the one contains the other.
///
/// Both are relative to the root of the process's namespace. A mount from outside begins with `/..`: where its root is
/// only that, it contains the namespace, but the names in between are hidden, and the way is cut short at the mount.
fn below<'a>(path: &'a Path, root: &Path) -> Option<(&'a Path, bool)> {
    let climbs = |path: &Path| path.components().filter(|part| *part == Component::ParentDir).count();
    match path.strip_prefix(root) {
        Ok(below) if climbs(below) == 0 => Some((below, true)),
        _ => {
            let (outside, up) = (root.components().count().saturating_sub(1), climbs(root));
            (up > 0 && outside == up && climbs(path) <= up).then_some((Path::new(""), false))
        }
    }
}

/// `path` without its leading `/`, so that it can be joined below another root.
fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(unix)]
fn as_path(bytes: &[u8]) -> &Path {
    Path::new(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

#[cfg(not(unix))]
fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::new(std::str::from_utf8(bytes).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
