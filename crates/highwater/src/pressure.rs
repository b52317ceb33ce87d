//! Pressure: how near its limit the process is, for code that acts on it.
//!
//! A request path asks each time, so asking is one atomic load. The watch thread stores the level and goes on; it wakes
//! nobody, since a waker is the host's code, and whoever holds a lock would hold it up. Those who wait are woken on the thread
//! for what is the host's.
//!
//! | module | idea |
//! |---|---|
//! | `board` | where the level stands, and who waits for another one |
//! | `sheds` | how many requests were turned away |

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use highwater_model::{Bytes, Cause, Change, Forecast, Level, Limit, Reason, Transition, Transitions};

use crate::latest::Snapshot;

pub(crate) use board::{Board, Wakes};
pub use sheds::ShedCounter;
pub(crate) use sheds::Sheds;

mod board;
mod sheds;

/// How near its limit the process is, as the agent judges it. Of [`Agent::pressure`](crate::Agent::pressure).
///
/// Clones are handles of the same. To ask costs one atomic load; while a level is raised, one system call of 50 ns more,
/// by which a child that was forked finds that the level is its parent's.
///
/// # When nothing changes any more
///
/// After the agent's end, with `HIGHWATER_DISABLED`, and in a child that was forked, the level is [`Level::Normal`],
/// nothing is known beside it, and who waits gets [`Ended`]. An agent that is started later has another handle.
///
/// # Example
///
/// ```
/// # use highwater::{Agent, Level};
/// # struct Cache;
/// # impl Cache { fn insert(&self) {} }
/// # fn example(agent: &Agent, cache: &Cache) {
/// let pressure = agent.pressure();
/// if !pressure.is_at_least(Level::High) {
///     cache.insert();
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Pressure(Arc<Board>);

impl Pressure {
    pub(crate) fn of(board: &Arc<Board>) -> Self {
        Self(Arc::clone(board))
    }

    /// The level that the judge holds the process to be at.
    #[inline]
    pub fn level(&self) -> Level {
        self.0.level()
    }

    /// Whether the level is `level` or above.
    #[inline]
    pub fn is_at_least(&self, level: Level) -> bool {
        self.level() >= level
    }

    /// The level and what led to it, as of the last sample that was judged: a second ago, or less. One lock for the time of
    /// a copy, which the agent does not wait for.
    pub fn reading(&self) -> PressureReading {
        self.0.reading()
    }

    /// Waits until the level is another one than `from`, on any executor and without one. Gives the level then.
    ///
    /// Pass the level that was acted upon last: what has changed since then is not missed, whenever it is polled. A level
    /// that was left and entered again in between is no change. Dropped, it leaves nothing behind. Callbacks and a log
    /// that hang delay the waking, never what [`level`](Self::level) says.
    ///
    /// ```
    /// # use highwater::{Ended, Level, Pressure};
    /// # fn shrink(_: Level) {}
    /// async fn shrink_caches(pressure: Pressure) -> Ended {
    ///     let mut level = Level::Normal;
    ///     loop {
    ///         level = match pressure.changed(level).await {
    ///             Ok(level) => level,
    ///             Err(ended) => return ended,
    ///         };
    ///         shrink(level);
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the level is `from` and nothing will change any more.
    pub fn changed(&self, from: Level) -> Changed {
        Changed { board: Arc::clone(&self.0), from, waiter: None }
    }

    /// The same, on a thread that has nothing else to do: blocks for `timeout` at most. `None` where that is over first.
    ///
    /// # Errors
    ///
    /// Where the level is `from` and nothing will change any more.
    pub fn wait(&self, from: Level, timeout: Duration) -> Result<Option<Level>, Ended> {
        self.0.wait(from, timeout)
    }

    /// A counter of the requests that the program turns away under pressure: for middleware.
    ///
    /// From the first one on `highwater.shed.requests` is exported, beginning at 0.
    pub fn shed_counter(&self) -> ShedCounter {
        ShedCounter::of(&self.0)
    }
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pressure").field(&self.level()).finish()
    }
}

/// The level and what led to it. By default that of a process of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PressureReading {
    /// The level.
    pub level: Level,
    /// Why it is this level. Known of a change that was told: `None` before the first one, and where the last one was
    /// counted and not told, since the episode flaps.
    pub reason: Option<Reason>,
    /// Which part of the memory grew, as of the same change, and `None` where its reason is.
    pub cause: Option<Cause>,
    /// What the kernel could not take back.
    pub used: Option<Bytes>,
    /// The limit that binds.
    pub limit: Option<Limit>,
    /// What is left below the limit.
    pub headroom: Option<Bytes>,
    /// Bytes a second by which use rises or falls.
    pub growth: Option<f64>,
    /// When the limit is reached, where it is certain that use rises.
    pub time_to_limit: Option<Forecast>,
}

/// Nothing will change any more: the agent has ended, is disabled, or is the parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no agent judges this process: its level will not change")
    }
}

impl Error for Ended {}

/// The wait of [`Pressure::changed`].
#[derive(Debug)]
#[must_use = "a future waits for nothing until it is polled"]
pub struct Changed {
    board: Arc<Board>,
    from: Level,
    /// Its place among those who wait, once it has been polled.
    waiter: Option<u64>,
}

impl Future for Changed {
    type Output = Result<Level, Ended>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { board, from, waiter } = &mut *self;
        board.poll(*from, waiter, context)
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        self.board.forget(&mut self.waiter);
    }
}

/// Keeps the board up to date, on the watch thread.
#[derive(Debug)]
pub(crate) struct Publisher {
    board: Arc<Board>,
    last: PressureReading,
}

impl Publisher {
    pub(crate) fn new(board: &Arc<Board>) -> Self {
        Self { board: Arc::clone(board), last: PressureReading::default() }
    }

    /// Notes what was judged of a sample. Returns whether the level is another one than before.
    pub(crate) fn publish(&mut self, judged: &Snapshot, transitions: &Transitions) -> bool {
        let Snapshot { level, sample, .. } = *judged;
        let changed = level != self.last.level;
        if changed {
            // What is told again or split goes on at the level that it finds, and does not say why it is that one.
            let of_level = |transition: &&Transition| {
                let moved = matches!(transition.change, Change::Begun(_) | Change::Changed(..) | Change::Ended(..));
                moved && transition.reason != Reason::Split
            };
            let told = transitions.iter().filter(of_level).last();
            self.last.reason = told.map(|transition| transition.reason);
            self.last.cause = told.map(|transition| transition.cause);
        }
        self.last.level = level;
        self.last.used = sample.used;
        self.last.limit = sample.limit;
        self.last.headroom = sample.available();
        (self.last.growth, self.last.time_to_limit) = (judged.slope, judged.time_to_limit);
        self.board.publish(&self.last);
        changed
    }
}

#[cfg(test)]
mod tests;
