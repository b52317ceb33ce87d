//! The container's id, 64 hexadecimal digits, from the places where a process can find its own.

use super::{lines, mountinfo};

const DIGITS: usize = 64;

/// From `/proc/self/cgroup`: the last id of a path, since a container can run inside another.
///
/// Docker writes `/docker/ID`, systemd's driver `docker-ID.scope`, Kubernetes `cri-containerd-ID.scope` below its pod.
pub(crate) fn in_membership(content: &[u8]) -> Option<&str> {
    lines(content).find_map(|line| line.split(|byte| !byte.is_ascii_hexdigit()).filter_map(id).next_back())
}

/// From `/proc/self/mountinfo`, where a namespace hides the cgroup's path: the container's own `hostname` and `hosts` are
/// mounted from a folder called after it.
///
/// In a Kubernetes pod they are the sandbox's, and so is the id, which is the wrong one: then nothing is known.
pub(crate) fn in_mounts(content: &[u8]) -> Option<String> {
    let within = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    if within(content, b"/kubelet/pods/") {
        return None;
    }
    mountinfo::parse(content).find_map(|mount| {
        if !matches!(mount.point.as_slice(), b"/etc/hostname" | b"/etc/hosts" | b"/etc/resolv.conf") {
            return None;
        }
        let mut parts = mount.root.split(|byte| *byte == b'/');
        parts.find(|part| part.ends_with(b"containers"))?;
        parts.next().and_then(id).map(str::to_owned)
    })
}

fn id(text: &[u8]) -> Option<&str> {
    let is_id = text.len() == DIGITS && text.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| std::str::from_utf8(text).ok()).flatten()
}
