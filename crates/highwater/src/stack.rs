//! Stacks, touched beforehand: near the limit the kernel may have no page to give for what a thread does then for the first
//! time.
//!
//! Measured in the demo over an episode with heap profiles, delivery failing: *highwater-watch* comes to 132 KiB, the others to
//! 28 KiB at most, of which up to 24 KiB are touched only then.

use std::hint::black_box;

/// For *highwater-watch*.
pub(crate) const DEEP: usize = 160 << 10;
/// For those who write, tell and take heap profiles.
pub(crate) const SHALLOW: usize = 32 << 10;

/// Touches so many bytes of this thread's stack.
#[inline(never)]
pub(crate) fn touch<const BYTES: usize>() {
    black_box([0_u8; BYTES]);
}
