//! What the demo keeps: objects on the heap and buffers outside of it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use highwater::{Agent, Bytes, Region};
use memmap2::MmapMut;

/// One object, or one buffer.
const PIECE: Bytes = Bytes::mib(1);
const PIECE_LEN: usize = 1 << 20;

/// At this share of the limit the demo takes no more: above critical, so that every level can be seen, and below the limit,
/// so that holding a key down does not get it killed.
const REFUSE_AT: f64 = 0.97;

pub(crate) struct Hoard {
    agent: Agent,
    /// The buffers lie outside the allocator; the region accounts for them.
    region: Region,
    allow_oom: bool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
pub(crate) struct Kept {
    objects: Vec<Vec<u8>>,
    buffers: Vec<MmapMut>,
}

/// Why a piece was not taken.
pub(crate) enum Refusal {
    /// It would come too close to the limit.
    NearLimit { used: Bytes, limit: Bytes },
    /// The kernel would not map it.
    Map(io::Error),
}

impl Hoard {
    pub(crate) fn new(agent: &Agent, allow_oom: bool) -> Self {
        Self { agent: agent.clone(), region: agent.region("buffers"), allow_oom, kept: Mutex::default() }
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Keeps 1 MiB more on the heap, every page of it touched. A function of its own in any build, since it is the one that
    /// a heap profile should name.
    #[inline(never)]
    pub(crate) fn allocate(&self) -> Result<(), Refusal> {
        self.room()?;
        let object = vec![b'x'; PIECE_LEN];
        self.kept().objects.push(object);
        Ok(())
    }

    /// Keeps 1 MiB more outside the allocator, every page of it touched.
    pub(crate) fn buffer(&self) -> Result<(), Refusal> {
        self.room()?;
        let mut buffer = MmapMut::map_anon(PIECE_LEN).map_err(Refusal::Map)?;
        buffer.fill(b'x');
        self.region.add(PIECE);
        self.kept().buffers.push(buffer);
        Ok(())
    }

    /// Gives all of it back. Returns how many objects and buffers there were.
    pub(crate) fn release(&self) -> (usize, usize) {
        let Kept { objects, buffers } = std::mem::take(&mut *self.kept());
        let released = (objects.len(), buffers.len());
        drop((objects, buffers));
        self.region.remove(Bytes::mib(released.1 as u64));
        released
    }

    pub(crate) fn objects(&self) -> usize {
        self.kept().objects.len()
    }

    fn room(&self) -> Result<(), Refusal> {
        let sample = self.agent.sample();
        if let (false, Some(limit), Some(used)) = (self.allow_oom, sample.limit, sample.used)
            && used.saturating_add(PIECE).ratio_of(limit.bytes).is_some_and(|share| share >= REFUSE_AT)
        {
            return Err(Refusal::NearLimit { used, limit: limit.bytes });
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
