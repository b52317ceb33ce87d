//! Where the level stands, and who waits for another one.
//!
//! Who waits is noted under a lock, after another look at the level; who wakes takes that lock after the level was stored. So
//! either the one who waits sees the new level, or it is seen to wait. No wake-up is lost and none is needed for those for
//! whom nothing changed.
//!
//! A registry of our own, and not a crate's: those that do the same bring four crates more, and would wake on the thread
//! that stores.

use std::collections::BTreeMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use highwater_model::Level;

use super::{Ended, PressureReading, Sheds};
use crate::event::Event;
use crate::identity::ProcessId;
use crate::outlet::Outlet;

const NORMAL: u8 = Level::Normal.number();
/// Behind the numbers of the levels: normal, for ever.
const ENDED: u8 = 4;

/// What the handles, the watch thread and the thread that wakes share.
#[derive(Debug)]
pub(crate) struct Board {
    /// A level's number, or [`ENDED`].
    state: AtomicU8,
    /// The process that is judged. In a child that was forked nobody judges, and locks may be held for ever.
    process: ProcessId,
    /// Read from one of them while the other is written.
    readings: [Mutex<PressureReading>; 2],
    /// Whether the second is the latest.
    second: AtomicBool,
    waiters: Mutex<BTreeMap<u64, Waiter>>,
    next_waiter: AtomicU64,
    /// For threads that wait; with the lock of `waiters`.
    changed: Condvar,
    sheds: Sheds,
}

#[derive(Debug)]
struct Waiter {
    from: Level,
    waker: Waker,
}

impl Board {
    pub(crate) fn new(process: ProcessId) -> Self {
        Self {
            state: AtomicU8::new(NORMAL),
            process,
            readings: Default::default(),
            second: AtomicBool::new(false),
            waiters: Mutex::default(),
            next_waiter: AtomicU64::new(0),
            changed: Condvar::new(),
            sheds: Sheds::default(),
        }
    }

    pub(crate) fn sheds(&self) -> &Sheds {
        &self.sheds
    }

    #[inline]
    pub(crate) fn level(&self) -> Level {
        match self.state.load(Ordering::Relaxed) {
            NORMAL => Level::Normal,
            _ => self.raised(),
        }
    }

    #[cold]
    fn raised(&self) -> Level {
        level_of(self.state())
    }

    pub(crate) fn reading(&self) -> PressureReading {
        if self.state() == ENDED {
            return PressureReading::default();
        }
        *lock(self.place(self.second.load(Ordering::Acquire)))
    }

    fn place(&self, second: bool) -> &Mutex<PressureReading> {
        let [one, other] = &self.readings;
        if second { other } else { one }
    }

    /// Notes what was judged. It waits for nobody: where somebody has been reading since the last but one, the last stays.
    pub(super) fn publish(&self, reading: &PressureReading) {
        let second = !self.second.load(Ordering::Relaxed);
        if let Ok(mut place) = self.place(second).try_lock() {
            *place = *reading;
            self.second.store(second, Ordering::Release);
        }
        let to = |state: u8| (state != ENDED && state != reading.level.number()).then_some(reading.level.number());
        // An error is that there is nothing to store.
        let _ = self.state.fetch_update(Ordering::Release, Ordering::Relaxed, to);
    }

    /// From now on the level is normal and stays so. Those who wait are to be woken after that.
    pub(crate) fn end(&self) {
        self.state.store(ENDED, Ordering::Release);
    }

    /// Whether nothing will change any more: after the agent's end, and in a child that was forked.
    pub(crate) fn has_ended(&self) -> bool {
        self.state() == ENDED
    }

    /// Wakes those for whom something changed. It runs code of the host's.
    pub(crate) fn wake(&self) {
        let mut waiters = lock(&self.waiters);
        let (woken, waiting): (BTreeMap<_, _>, _) =
            mem::take(&mut *waiters).into_iter().partition(|(_, waiter)| self.change(waiter.from).is_some());
        *waiters = waiting;
        self.changed.notify_all();
        drop(waiters);
        for waiter in woken.into_values() {
            // One that panics must not keep the others from being woken.
            let _ = catch_unwind(AssertUnwindSafe(|| waiter.waker.wake()));
        }
    }

    pub(super) fn poll(
        &self,
        from: Level,
        waiter: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Level, Ended>> {
        if let Some(change) = self.change(from) {
            self.forget(waiter);
            return Poll::Ready(change);
        }
        // Cloned and dropped outside of the lock, since a waker is foreign code.
        let waker = context.waker().clone();
        let key = *waiter.get_or_insert_with(|| self.next_waiter.fetch_add(1, Ordering::Relaxed));
        let mut waiters = lock(&self.waiters);
        if let Some(change) = self.change(from) {
            drop(waiters);
            self.forget(waiter);
            return Poll::Ready(change);
        }
        let before = waiters.insert(key, Waiter { from, waker });
        drop(waiters);
        drop(before);
        Poll::Pending
    }

    /// Takes a waiter out.
    pub(super) fn forget(&self, waiter: &mut Option<u64>) {
        if let Some(key) = waiter.take().filter(|_| self.process.is_current()) {
            let forgotten = lock(&self.waiters).remove(&key);
            drop(forgotten);
        }
    }

    pub(super) fn wait(&self, from: Level, timeout: Duration) -> Result<Option<Level>, Ended> {
        // What was seen when the wait ended: a moment later it may be the old level again.
        let mut change = self.change(from);
        if change.is_none() {
            let waiters = lock(&self.waiters);
            let look = |_: &mut _| {
                change = self.change(from);
                change.is_none()
            };
            drop(self.changed.wait_timeout_while(waiters, timeout, look));
        }
        change.transpose()
    }

    /// What there is to say to somebody who knows of `from`.
    fn change(&self, from: Level) -> Option<Result<Level, Ended>> {
        let state = self.state();
        let level = level_of(state);
        if level != from { Some(Ok(level)) } else { (state == ENDED).then_some(Err(Ended)) }
    }

    /// The state as far as it is this process's.
    fn state(&self) -> u8 {
        if self.process.is_current() { self.state.load(Ordering::Acquire) } else { ENDED }
    }
}

fn level_of(state: u8) -> Level {
    Level::RAISED.into_iter().find(|level| level.number() == state).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes those who wait, on the thread for what is the host's.
///
/// A change that is not told asks for a piece of work. An event that its queue has no room for is no loss: what stands in
/// the queue is followed by a piece of work too.
#[derive(Debug)]
pub(crate) struct Wakes(pub(crate) Arc<Board>);

impl Outlet for Wakes {
    fn tell(&mut self, _: &Event) {
        self.0.wake();
    }

    fn work(&mut self) -> Option<Duration> {
        self.0.wake();
        None
    }

    /// Nobody will wake anybody after this.
    fn finish(&mut self) {
        self.0.end();
        self.0.wake();
    }
}

#[cfg(test)]
impl Board {
    /// How many wait by a future.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.waiters).len()
    }

    pub(super) fn reading_for_long(&self) -> [impl Drop; 2] {
        self.readings.each_ref().map(lock)
    }

    pub(super) fn waiting_for_long(&self) -> impl Drop {
        lock(&self.waiters)
    }
}
