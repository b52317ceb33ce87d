//! The allocator's numbers, and whether they are the program's.
//!
//! A jemalloc that is linked but not installed answers all questions with plausible, constant and false numbers: 28 KiB
//! allocated while the program holds 100 MiB. So the program's allocator is tried once, at the start: allocate, and see
//! whether jemalloc's counter of this thread moves.
//!
//! With feature `jemalloc` the module is `enabled.rs`, otherwise `disabled.rs`.

#[cfg(not(feature = "jemalloc"))]
mod disabled;
#[cfg(feature = "jemalloc")]
mod enabled;

#[cfg(not(feature = "jemalloc"))]
use disabled as backend;
#[cfg(feature = "jemalloc")]
use enabled as backend;

pub(crate) use backend::Reader;
pub use backend::{Profiler, Purge, settings};
#[cfg(feature = "jemalloc")]
pub use enabled::{CONF, Conf, Jemalloc};

/// Whose allocator the program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocatorKind {
    /// jemalloc serves the program: its numbers are the program's.
    Jemalloc,
    /// jemalloc serves some sizes and another allocator the others: its numbers are true of its part.
    JemallocMixed,
    /// jemalloc is linked, but the program allocates elsewhere: its numbers mean nothing and are absent. One line in the
    /// binary installs it: `highwater::jemalloc!();`.
    JemallocNotInstalled,
    /// Another allocator, of which nothing is known: feature `jemalloc` is off.
    Other,
}

/// What is in force in jemalloc, whoever asked for it; `None` where this jemalloc has no such setting, or there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// `opt.background_thread`: freed pages return to the system although the program is idle.
    pub background_thread: Option<bool>,
    /// `opt.cache_oblivious`: when off, `resident` is near to what the kernel holds (of 1 GiB touched within
    /// 0.4 %), otherwise up to 25 % above.
    pub cache_oblivious: Option<bool>,
    /// `opt.prof`: heap profiles can be taken. `None` in a jemalloc that was built without them.
    pub profiling: Option<bool>,
    /// `prof.active`: allocations are sampled now.
    pub sampling: Option<bool>,
    /// `prof.lg_sample` as bytes: one in so many allocated is sampled.
    pub sample_interval: Option<u64>,
}
