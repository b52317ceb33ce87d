//! The limit that binds: of all that could end the process, the one with the least room left.
//!
//! A process can stand under several limits at once: `memory.max` of its own cgroup and of each ancestor, `memory.high`,
//! and one that the operator wrote down. The tightest number is not the nearest wall: a leaf that uses 200 MiB of its own
//! 512 MiB, beside siblings that bring its parent to 900 MiB of 1 GiB, has 124 MiB left and not 312.
//! The memory of the host is never taken for a limit.

use crate::Bytes;

/// A limit in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How much may be used.
    pub bytes: Bytes,
    /// Who set it.
    pub source: LimitSource,
    /// What it is set on: the inode of the cgroup's directory, 0 for a configured limit.
    /// The same scope with other bytes is a resize; another scope is another limit.
    pub scope: u64,
}

/// Who set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitSource {
    /// The configuration of the agent.
    Config,
    /// A hard limit of a cgroup: `memory.max`, v1 `memory.limit_in_bytes`. Beyond it the kernel kills.
    Cgroup,
    /// `memory.high` of a cgroup v2: beyond it the kernel slows the process down to reclaim.
    CgroupHigh,
}

impl LimitSource {
    /// The value of `highwater.limit.source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Cgroup => "cgroup",
            Self::CgroupHigh => "cgroup_high",
        }
    }
}

/// A limit together with what is used of it, read from the same place at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The limit.
    pub limit: Limit,
    /// What the kernel could not take back of the memory that counts against it.
    pub used: Bytes,
}

impl Candidate {
    /// What is left below the limit; zero above it.
    pub const fn headroom(&self) -> Bytes {
        self.limit.bytes.saturating_sub(self.used)
    }
}

/// Picks the candidate with the least headroom; of equals, the first.
pub fn binding(candidates: impl IntoIterator<Item = Candidate>) -> Option<Candidate> {
    candidates.into_iter().min_by_key(Candidate::headroom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(limit: u64, used: u64, scope: u64) -> Candidate {
        let limit = Limit { bytes: Bytes::mib(limit), source: LimitSource::Cgroup, scope };
        Candidate { limit, used: Bytes::mib(used) }
    }

    #[test]
    fn a_larger_limit_with_less_headroom_binds() {
        let leaf = candidate(512, 200, 1);
        let parent = candidate(1024, 900, 2);
        assert_eq!(binding([leaf, parent]), Some(parent));
    }

    #[test]
    fn a_limit_already_exceeded_has_no_headroom_and_binds() {
        let exceeded = candidate(100, 150, 1);
        let near = candidate(1024, 1023, 2);
        assert_eq!(binding([near, exceeded]), Some(exceeded));
    }

    #[test]
    fn nothing_binds_where_there_is_no_limit() {
        assert_eq!(binding([]), None);
    }
}
