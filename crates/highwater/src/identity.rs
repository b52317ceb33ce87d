//! Identifiers: of this process and its telemetry, of an episode, of one record.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use highwater_model::SinceStart;

use crate::clock::Clock;
use crate::otel::{Root, span_id};

/// The id of a process: after a fork, that of the child is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

impl ProcessId {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }

    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self(std::process::id().wrapping_add(1))
    }
}

/// The id of an episode: the id of its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpisodeId([u8; 16]);

impl EpisodeId {
    pub(crate) fn random() -> Self {
        // The low bit is set: an id of zeros alone would be an invalid trace id.
        Self((random() | 1).to_be_bytes())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id from its 32 hexadecimal digits.
    #[cfg(all(feature = "heap-profile", unix))]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|id| Self(id.to_be_bytes()))
    }

    /// The id as the 16 bytes of a W3C trace id.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// An episode that was begun, as everybody who tells of it shares it.
///
/// With the agent's own pipeline its id is set when the episode is judged to begin. With a host's tracer it becomes known
/// when that tracer makes the root span, since only it can choose the id of its trace.
#[derive(Debug)]
pub(crate) struct EpisodeHandle {
    pub(crate) id: Arc<OnceLock<EpisodeId>>,
    /// Of the second half of a split, the id of the first.
    previous: Option<Arc<OnceLock<EpisodeId>>>,
    pub(crate) began: SystemTime,
    /// The same moment on the judge's clock: all moments of an episode are counted from here, so that its spans fit
    /// together whatever the system's clock does meanwhile.
    pub(crate) began_at: SinceStart,
    /// The root span, for what is told of the episode after its end. Set when it is made.
    pub(crate) root: OnceLock<Root>,
}

impl EpisodeHandle {
    pub(crate) fn new(
        began: SystemTime,
        began_at: SinceStart,
        id: Option<EpisodeId>,
        first_half: Option<&Self>,
    ) -> Arc<Self> {
        let id = Arc::new(id.map_or_else(OnceLock::new, OnceLock::from));
        let previous = first_half.map(|first| Arc::clone(&first.id));
        Arc::new(Self { id, previous, began, began_at, root: OnceLock::new() })
    }

    /// The id of the root span, once it is made.
    pub(crate) fn root_span(&self) -> Option<[u8; 8]> {
        self.root.get().map(span_id)
    }

    /// Of the second half of a split, the id of the first.
    pub(crate) fn previous(&self) -> Option<EpisodeId> {
        self.previous.as_ref()?.get().copied()
    }

    /// The wall-clock time of a moment of the episode.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn wall(&self, moment: SinceStart) -> SystemTime {
        self.began.checked_add(moment.since(self.began_at)).unwrap_or(self.began)
    }
}

/// A random UUID (version 4) in its usual form.
pub(crate) fn uuid() -> String {
    const VERSION: u128 = 0x4 << 76;
    const VARIANT: u128 = 0b10 << 62;
    let bits = (random() & !(0xf << 76) & !(0b11 << 62)) | VERSION | VARIANT;
    let hex = format!("{bits:032x}");
    let mut uuid = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    uuid
}

/// 128 random bits: unique, not secret.
///
/// The standard library seeds each `RandomState` from the operating system's random numbers and changes it at every call;
/// that is as much as an identifier needs. It never waits: other ways of asking can end at `/dev/random`, which blocks in a
/// guest without entropy, and the thread that sends events with it.
///
/// The seed is the thread's, and a fork copies it: without the process and the moment, the workers of one server would
/// all draw the same.
pub(crate) fn random() -> u128 {
    let apart = (std::process::id(), Clock::date());
    let half = || u128::from(RandomState::new().hash_one(apart));
    (half() << 64) | half()
}

/// A number that says the same of the same bytes, in every process and every release: FNV-1a of 64 bits. For identifiers that
/// are made again, not for secrets.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        let ids: HashSet<_> = (0..10_000).map(|_| EpisodeId::random()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn an_episode_id_prints_as_a_trace_id() {
        let text = EpisodeId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]).to_string();
        assert_eq!(text, "000102030405060708090a0b0c0d0eff");
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_release() {
        assert_eq!(fingerprint(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        for _ in 0..100 {
            let uuid = uuid();
            let groups: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }
}
