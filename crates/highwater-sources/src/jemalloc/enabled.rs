//! With feature `jemalloc`: its numbers by `mallctl`, each behind the question whether this jemalloc has it.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use highwater_model::{Allocator, Bytes, SinceStart};
use tikv_jemalloc_ctl::{epoch, epoch_mib, stats};

use self::mallctl::Key;
use super::{AllocatorKind, Settings};
use crate::availability::{Availability, Fault, Reason};
use crate::platform;

mod mallctl;
mod probe;

pub use tikv_jemallocator::Jemalloc;

/// The settings fit for observation: freed pages return although the program is idle, and `resident` means what the
/// kernel holds.
///
/// With feature `heap-profile` also `prof:true,lg_prof_sample:21`: from the first allocation on one in 2 MiB is sampled.
pub const CONF: &CStr = if cfg!(feature = "heap-profile") {
    c"background_thread:true,cache_oblivious:false,prof:true,lg_prof_sample:21"
} else {
    c"background_thread:true,cache_oblivious:false"
};

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
        sampling: read(c"prof.active"),
        sample_interval: interval(),
    }
}

/// One in so many bytes is sampled, where a jemalloc knows profiles at all.
fn interval() -> Option<u64> {
    let power = Key::<usize>::resolve(c"prof.lg_sample")?.read().ok()?;
    1_u64.checked_shl(u32::try_from(power).ok()?)
}

/// The process that writes a heap profile now, or 0: jemalloc's epoch would wait for it. A child that is forked meanwhile
/// does not.
static DUMPING: AtomicU32 = AtomicU32::new(0);

/// Numbers that are older are none.
const STALE: Duration = Duration::from_secs(2);

/// Takes heap profiles: which stacks hold how much, of the allocations that jemalloc has sampled.
#[derive(Debug)]
pub struct Profiler(Key<&'static CStr>);

impl Profiler {
    /// `None` where jemalloc does not serve the program, was built without profiles, or was started without `prof:true`.
    /// [`settings`] says which.
    pub fn resolve() -> Option<Self> {
        let serves = matches!(probe::kind(), AllocatorKind::Jemalloc | AllocatorKind::JemallocMixed);
        let profiles = serves && settings().profiling == Some(true);
        Key::resolve(c"prof.dump").filter(|_| profiles).map(Self)
    }

    /// Writes the profile, in jemalloc's own format, into a file that has no name: [`platform::memory_file`].
    ///
    /// It takes about 6 us for each stack, on the calling thread. Meanwhile [`Sources`](crate::Sources) give the allocator's
    /// numbers as they were before; other threads allocate, and wait where jemalloc needs the tables that are read, at the
    /// longest for the whole time.
    ///
    /// # Errors
    ///
    /// Where jemalloc refuses, with its error code, as it does where the file cannot be written.
    pub fn dump(&self, into: &File) -> Result<(), Reason> {
        let fault = |code| Reason::new("prof.dump", Fault::Os(code));
        let path = platform::path_of(into).ok_or(fault(libc::EBADF))?;
        DUMPING.store(std::process::id(), Ordering::Relaxed);
        let dumped = self.0.write(&path);
        DUMPING.store(0, Ordering::Relaxed);
        dumped.map_err(fault)
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
    /// What was read last.
    last: Option<(SinceStart, Allocator)>,
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
            return Self { kind, keys: None, availability: Availability::Absent, last: None };
        }
        match Keys::resolve() {
            Ok(keys) => Self { kind, keys: Some(keys), availability: Availability::Available, last: None },
            Err(reason) => Self { kind, keys: None, availability: Availability::Unavailable(reason), last: None },
        }
    }

    /// All numbers from one epoch.
    ///
    /// Costs 6 to 7 us for each arena in use. While a [`Profiler`] writes, which takes up to a tenth of a second, it would
    /// wait for that, and gives what it read last instead, or nothing where that is older than two seconds.
    pub(crate) fn read(&mut self, at: SinceStart) -> Option<Allocator> {
        let keys = self.keys.as_ref()?;
        if DUMPING.load(Ordering::Relaxed) == std::process::id() {
            return self.last.filter(|(then, _)| at.since(*then) < STALE).map(|(_, allocator)| allocator);
        }
        let read = keys.read();
        self.availability =
            read.as_ref().map_or_else(|reason| Availability::Unavailable(*reason), |_| Availability::Available);
        let allocator = read.ok()?;
        self.last = Some((at, allocator));
        Some(allocator)
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
