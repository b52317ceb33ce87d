//! With feature `jemalloc`: its numbers by `mallctl`, each behind the question whether this jemalloc has it.

use std::ffi::{CStr, c_char};
use std::fmt;

use highwater_model::{Allocator, Bytes};
use tikv_jemalloc_ctl::{epoch, epoch_mib, stats};

use self::mallctl::Key;
use super::{AllocatorKind, Settings};
use crate::availability::{Availability, Fault, Reason};

mod mallctl;
mod probe;

pub use tikv_jemallocator::Jemalloc;

/// The settings fit for observation: freed pages return although the program is idle, and `resident` means what the
/// kernel holds.
pub const CONF: &CStr = c"background_thread:true,cache_oblivious:false";

/// The type of jemalloc's `malloc_conf`, a `const char *`, as a static that a binary exports.
///
/// jemalloc reads the symbol before `main`. It must be exported from the binary itself, since a linker drops a library's
/// symbol that nothing refers to: `_rjem_malloc_conf`, or `malloc_conf` where jemalloc is built without its prefix.
/// [`settings`] reads back what came of it.
///
/// ```
/// use highwater_sources::jemalloc::{CONF, Conf};
///
/// #[unsafe(export_name = "_rjem_malloc_conf")]
/// pub static MALLOC_CONF: Conf = Conf::new(CONF);
/// # fn main() {}
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct Conf(*const c_char);

impl Conf {
    /// `text` as jemalloc expects it; it lives for ever, since jemalloc keeps no copy.
    pub const fn new(text: &'static CStr) -> Self {
        Self(text.as_ptr())
    }
}

#[allow(unsafe_code, reason = "a static of a pointer needs Sync")]
// SAFETY: the pointer leads to an immutable string that lives for ever, and nothing can change the pointer.
unsafe impl Sync for Conf {}

/// What is in force in jemalloc.
pub fn settings() -> Settings {
    let read = |name: &CStr| Key::<bool>::resolve(name)?.read().ok();
    Settings {
        background_thread: read(c"opt.background_thread"),
        cache_oblivious: read(c"opt.cache_oblivious"),
        profiling: read(c"opt.prof"),
    }
}

/// Gives the pages that the program has freed and jemalloc still holds back to the system: `arena.<all>.purge`.
///
/// It reaches dirty and muzzy pages, not what other threads have in their caches, nor pages that hold an allocation. It is
/// best effort: while jemalloc's own background thread gives back pages of an arena, that arena is left to it. It takes
/// its time for each page, on the calling thread; other threads allocate meanwhile as ever.
#[derive(Debug)]
pub struct Purge(Key<()>);

impl Purge {
    /// `None` where jemalloc does not serve the program.
    pub fn resolve() -> Option<Self> {
        let serves = matches!(probe::kind(), AllocatorKind::Jemalloc | AllocatorKind::JemallocMixed);
        Key::resolve(c"arena.4096.purge").filter(|_| serves).map(Self)
    }

    /// Purges all arenas.
    ///
    /// # Errors
    ///
    /// Where jemalloc refuses, with its error code.
    pub fn run(&self) -> Result<(), Reason> {
        self.0.call().map_err(|code| Reason::new("arena.4096.purge", Fault::Os(code)))
    }
}

/// The keys of jemalloc, resolved once.
#[derive(Debug)]
pub(crate) struct Reader {
    kind: AllocatorKind,
    keys: Option<Keys>,
    availability: Availability,
}

struct Keys {
    epoch: epoch_mib,
    allocated: stats::allocated_mib,
    active: stats::active_mib,
    resident: stats::resident_mib,
    mapped: stats::mapped_mib,
    retained: stats::retained_mib,
    metadata: stats::metadata_mib,
    merged: Merged,
}

/// Keys of all arenas together, which jemalloc numbers 4096. They are present without statistics, or absent, one by one.
#[derive(Debug)]
struct Merged {
    page: Option<u64>,
    dirty: Option<Key<usize>>,
    muzzy: Option<Key<usize>>,
    allocations: Option<[Key<u64>; 2]>,
    deallocations: Option<[Key<u64>; 2]>,
}

impl Reader {
    /// Tries the program's allocator and resolves the keys.
    pub(crate) fn open() -> Self {
        let kind = probe::kind();
        if kind == AllocatorKind::JemallocNotInstalled {
            return Self { kind, keys: None, availability: Availability::Absent };
        }
        match Keys::resolve() {
            Ok(keys) => Self { kind, keys: Some(keys), availability: Availability::Available },
            Err(reason) => Self { kind, keys: None, availability: Availability::Unavailable(reason) },
        }
    }

    /// All numbers from one epoch.
    ///
    /// Costs 6 to 7 us for each arena in use, and waits while a heap profile is written.
    pub(crate) fn read(&mut self) -> Option<Allocator> {
        match self.keys.as_ref()?.read() {
            Ok(allocator) => {
                self.availability = Availability::Available;
                Some(allocator)
            }
            Err(reason) => {
                self.availability = Availability::Unavailable(reason);
                None
            }
        }
    }

    pub(crate) fn kind(&self) -> AllocatorKind {
        self.kind
    }

    pub(crate) fn availability(&self) -> Availability {
        self.availability
    }
}

impl Keys {
    fn resolve() -> Result<Self, Reason> {
        let absent = |part| move |_| Reason::new(part, Fault::Os(libc::ENOENT));
        Ok(Self {
            epoch: epoch::mib().map_err(absent("epoch"))?,
            allocated: stats::allocated::mib().map_err(absent("stats.allocated"))?,
            active: stats::active::mib().map_err(absent("stats.active"))?,
            resident: stats::resident::mib().map_err(absent("stats.resident"))?,
            mapped: stats::mapped::mib().map_err(absent("stats.mapped"))?,
            retained: stats::retained::mib().map_err(absent("stats.retained"))?,
            metadata: stats::metadata::mib().map_err(absent("stats.metadata"))?,
            merged: Merged::resolve(),
        })
    }

    fn read(&self) -> Result<Allocator, Reason> {
        let fault = |part| move |_| Reason::new(part, Fault::Malformed);
        let bytes = |size: usize| Bytes::new(size as u64);
        self.epoch.advance().map_err(fault("epoch"))?;
        Ok(Allocator {
            allocated: self.allocated.read().map(bytes).map_err(fault("stats.allocated"))?,
            active: self.active.read().map(bytes).map_err(fault("stats.active"))?,
            resident: self.resident.read().map(bytes).map_err(fault("stats.resident"))?,
            mapped: self.mapped.read().map(bytes).map_err(fault("stats.mapped"))?,
            retained: self.retained.read().map(bytes).map_err(fault("stats.retained"))?,
            metadata: self.metadata.read().map(bytes).map_err(fault("stats.metadata"))?,
            dirty: self.merged.bytes(self.merged.dirty.as_ref()),
            muzzy: self.merged.bytes(self.merged.muzzy.as_ref()),
            allocations: sum(self.merged.allocations.as_ref()),
            deallocations: sum(self.merged.deallocations.as_ref()),
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("merged", &self.merged).finish_non_exhaustive()
    }
}

impl Merged {
    fn resolve() -> Self {
        let both = |small, large| Some([Key::resolve(small)?, Key::resolve(large)?]);
        Self {
            page: Key::<usize>::resolve(c"arenas.page").and_then(|key| key.read().ok()).map(|page| page as u64),
            dirty: Key::resolve(c"stats.arenas.4096.pdirty"),
            muzzy: Key::resolve(c"stats.arenas.4096.pmuzzy"),
            allocations: both(c"stats.arenas.4096.small.nmalloc", c"stats.arenas.4096.large.nmalloc"),
            deallocations: both(c"stats.arenas.4096.small.ndalloc", c"stats.arenas.4096.large.ndalloc"),
        }
    }

    fn bytes(&self, pages: Option<&Key<usize>>) -> Option<Bytes> {
        (pages?.read().ok()? as u64).checked_mul(self.page?).map(Bytes::new)
    }
}

fn sum(counters: Option<&[Key<u64>; 2]>) -> Option<u64> {
    counters?.iter().try_fold(0_u64, |sum, key| sum.checked_add(key.read().ok()?))
}
