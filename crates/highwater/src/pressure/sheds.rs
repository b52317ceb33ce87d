//! How many requests the program turned away: the agent exports what middleware counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use highwater_model::Level;

use super::Board;

/// Counts requests that were turned away, by the level at which they were. Of
/// [`Pressure::shed_counter`](super::Pressure::shed_counter).
#[derive(Clone, Debug)]
pub struct ShedCounter(Arc<Board>);

impl ShedCounter {
    pub(super) fn of(board: &Arc<Board>) -> Self {
        board.sheds().begin();
        Self(Arc::clone(board))
    }

    /// Counts one request. At normal there is no pressure to count for.
    pub fn count(&self, level: Level) {
        self.0.sheds().count(level);
    }
}

/// How many requests were turned away at elevated, high and critical.
#[derive(Debug, Default)]
pub(crate) struct Sheds {
    used: AtomicBool,
    counts: [AtomicU64; 3],
}

impl Sheds {
    /// From now on there is something to count.
    pub(crate) fn begin(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, level: Level) {
        for (raised, count) in Level::RAISED.into_iter().zip(&self.counts) {
            if raised == level {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The counts; none where nobody sheds.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Level, u64)> {
        let used = self.used.load(Ordering::Relaxed);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Level::RAISED.into_iter().zip(counts).filter(move |_| used)
    }
}
