//! `memory.stat`: of what a cgroup's memory consists, children included, in both versions.
//!
//! The kernel promises no order of the lines, so that parsing ends when everything is found and not at a known line.

use highwater_model::Bytes;

use super::keyed::pairs;

/// What is taken from the file; the kinds do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryStat {
    pub(crate) anon: Option<Bytes>,
    pub(crate) file_active: Option<Bytes>,
    pub(crate) file_inactive: Option<Bytes>,
    pub(crate) shmem: Option<Bytes>,
    /// Without `slab_reclaimable`; v2 only.
    pub(crate) kernel: Option<Bytes>,
    /// v2 only.
    pub(crate) slab_reclaimable: Option<Bytes>,
    /// v2 only.
    pub(crate) sock: Option<Bytes>,
}

/// The file of cgroup v2.
pub(crate) fn v2(content: &[u8]) -> Option<MemoryStat> {
    let mut stat = MemoryStat::default();
    let mut kernel = None;
    // Before Linux 5.18 there is no sum, only its parts.
    let mut parts = 0_u64;
    for (key, value) in pairs(content) {
        let bytes = Some(Bytes::new(value));
        match key {
            b"anon" => stat.anon = bytes,
            b"kernel" => kernel = Some(value),
            b"sock" => stat.sock = bytes,
            b"shmem" => stat.shmem = bytes,
            b"active_file" => stat.file_active = bytes,
            b"inactive_file" => stat.file_inactive = bytes,
            b"slab_reclaimable" => stat.slab_reclaimable = bytes,
            b"kernel_stack" | b"pagetables" | b"percpu" | b"slab_unreclaimable" => parts = parts.saturating_add(value),
            _ => continue,
        }
        stat.kernel = match (kernel, stat.slab_reclaimable) {
            (Some(kernel), Some(slab)) => Some(Bytes::new(kernel).saturating_sub(slab)),
            _ => None,
        };
        if stat.is_complete() {
            return Some(stat);
        }
    }
    if kernel.is_none() && parts > 0 {
        stat.kernel = Some(Bytes::new(parts));
    }
    (stat != MemoryStat::default()).then_some(stat)
}

/// The file of cgroup v1: the lines that include the children.
pub(crate) fn v1(content: &[u8]) -> Option<MemoryStat> {
    let mut stat = MemoryStat::default();
    for (key, value) in pairs(content) {
        let bytes = Some(Bytes::new(value));
        match key {
            b"total_rss" => stat.anon = bytes,
            b"total_shmem" => stat.shmem = bytes,
            b"total_active_file" => stat.file_active = bytes,
            b"total_inactive_file" => stat.file_inactive = bytes,
            _ => {}
        }
    }
    (stat != MemoryStat::default()).then_some(stat)
}

/// The least limit of a v1 cgroup and all its ancestors, also of those that this process cannot see; `Some(None)` where
/// the kernel does not say.
pub(crate) fn hierarchical_limit(content: &[u8]) -> Option<Option<Bytes>> {
    let mut pairs = pairs(content).peekable();
    pairs.peek()?;
    Some(pairs.find_map(|(key, value)| (key == b"hierarchical_memory_limit").then_some(Bytes::new(value))))
}

impl MemoryStat {
    fn is_complete(&self) -> bool {
        self.anon.is_some()
            && self.file_active.is_some()
            && self.file_inactive.is_some()
            && self.shmem.is_some()
            && self.kernel.is_some()
            && self.slab_reclaimable.is_some()
            && self.sock.is_some()
    }
}
