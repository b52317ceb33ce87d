//! `/proc/self/cgroup`: in which cgroup of each hierarchy the process is.

use super::{lines, split_once};

/// The paths of this process's cgroups, relative to the roots of their hierarchies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership<'a> {
    /// In the hierarchy of the v1 memory controller: where this stands, memory is on v1, whatever else stands there.
    pub(crate) memory: Option<&'a [u8]>,
    /// In the unified hierarchy, v2.
    pub(crate) unified: Option<&'a [u8]>,
}

/// Lines `4:memory:/path` and `0::/path`.
pub(crate) fn parse(content: &[u8]) -> Membership<'_> {
    let mut membership = Membership::default();
    for line in lines(content) {
        let Some((id, rest)) = split_once(line, b':') else { continue };
        let Some((controllers, path)) = split_once(rest, b':') else { continue };
        if !path.starts_with(b"/") {
            continue;
        }
        if id == b"0" && controllers.is_empty() {
            membership.unified = Some(path);
        } else if controllers.split(|byte| *byte == b',').any(|controller| controller == b"memory") {
            membership.memory = Some(path);
        }
    }
    membership
}
