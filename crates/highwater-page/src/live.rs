//! What is new, for all who look: each message encoded once and shared.
//!
//! There is one ring of the last messages, and each reader has nothing of its own but the place up to which it has read. So
//! fifty open tabs cost one encoding and fifty places, and a reader that is slow, or comes back after a break, reads on from
//! where it was for as long as that is in the ring; after that it is told `reset`, and fetches a snapshot.
//!
//! While nobody looks, and nobody has looked lately, messages are numbered and not made.
//!
//! No stream is for ever: a host that ends waits for its connections, and a tab that is left open is none that goes by itself.
//! So each ends after a while, and its reader comes back at once and reads on: nothing is lost, and nobody sees it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::process::ProcessId;

/// How many messages are kept: about a minute, so that a tab that was away for a moment misses nothing.
const KEPT: usize = 64;
/// And how many bytes: an event with the functions that hold the memory is some KiB, so that this is seldom what counts.
const KEPT_BYTES: usize = 512 << 10;
/// How many can read at once.
const MOST_READERS: usize = 64;

/// For how many looks of the page's a stream lasts: 15 seconds, half of what Kubernetes gives a service for its end.
pub(crate) const LOOKS: u64 = 30;

/// The first of every stream: when to come back, and enough to be sent at once.
const HELLO: Bytes = Bytes::from_static(b"retry: 500\n\n");
const RESET: Bytes = Bytes::from_static(b"event: reset\ndata: {}\n\n");

/// Where messages come from.
#[derive(Debug, Default)]
pub(crate) struct Feed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the last message that there was.
    last: u64,
    /// The last messages; their numbers end with `last`.
    ring: VecDeque<Bytes>,
    bytes: usize,
    /// Who reads, and whom to wake.
    readers: BTreeMap<u64, Option<Waker>>,
    next_reader: u64,
    /// Looks since the start, by which streams end.
    looks: u64,
    ended: bool,
}

impl Feed {
    /// A feed whose first message has the number after `last`.
    pub(crate) fn after(last: u64) -> Self {
        Self(Mutex::new(State { last, ..State::default() }))
    }

    /// Gives the next number to a message; where nobody wants it, there is nothing but the number.
    pub(crate) fn publish(&self, name: &str, data: Option<&str>) {
        let mut state = self.lock();
        let number = state.last.saturating_add(1);
        state.last = number;
        let Some(data) = data else {
            state.clear();
            return;
        };
        let message = format!("id: {number}\nevent: {name}\ndata: {data}\n\n");
        state.bytes = state.bytes.saturating_add(message.len());
        state.ring.push_back(message.into());
        while state.ring.len() > KEPT || state.bytes > KEPT_BYTES {
            let Some(oldest) = state.ring.pop_front() else { break };
            state.bytes = state.bytes.saturating_sub(oldest.len());
        }
        wake(state);
    }

    /// Has all readers begin anew.
    pub(crate) fn reset(&self) {
        let mut state = self.lock();
        state.last = state.last.saturating_add(1);
        state.clear();
        wake(state);
    }

    /// Counts a look, and wakes the readers, so that those end whose time is over.
    pub(crate) fn look(&self) {
        let mut state = self.lock();
        state.looks = state.looks.saturating_add(1);
        wake(state);
    }

    /// Ends all streams.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        wake(state);
    }

    /// A reader from after the message `after` on, of now where that is `None`; nothing where there are too many.
    pub(crate) fn read(self: &Arc<Self>, after: Option<u64>) -> Option<Live> {
        let mut state = self.lock();
        if state.readers.len() >= MOST_READERS {
            return None;
        }
        let key = state.next_reader;
        state.next_reader = key.wrapping_add(1);
        state.readers.insert(key, None);
        let after = after.unwrap_or(state.last);
        let until = state.looks.saturating_add(LOOKS);
        drop(state);
        Some(Live { feed: Arc::clone(self), key, after, until, greeted: false, process: ProcessId::current() })
    }

    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// The number of the message after which all that came is kept: who has read up to there, or further, reads on.
    pub(crate) fn kept_after(&self) -> u64 {
        let state = self.lock();
        state.last.saturating_sub(state.ring.len() as u64)
    }

    pub(crate) fn readers(&self) -> usize {
        self.lock().readers.len()
    }

    /// What the ring holds.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) {
        self.ring.clear();
        self.bytes = 0;
    }

    /// What follows the message `after`, and its number.
    fn following(&self, after: u64) -> Option<(Bytes, u64)> {
        if after == self.last {
            return None;
        }
        // How many of the ring's last ones are new: more than it has were missed; none is a number of another run.
        let new = self.last.checked_sub(after).and_then(|new| usize::try_from(new).ok());
        let index = new.and_then(|new| self.ring.len().checked_sub(new));
        match index.and_then(|index| self.ring.get(index)) {
            Some(message) => Some((message.clone(), after.saturating_add(1))),
            None => Some((RESET, self.last)),
        }
    }
}

/// Wakes all readers, outside of the lock, since a waker is foreign code.
fn wake(mut state: MutexGuard<'_, State>) {
    let wakers: Vec<_> = state.readers.values_mut().filter_map(Option::take).collect();
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}

/// One reader.
#[derive(Debug)]
pub(crate) struct Live {
    feed: Arc<Feed>,
    key: u64,
    /// The number of the last message that it was given.
    after: u64,
    /// The look at which it ends.
    until: u64,
    greeted: bool,
    process: ProcessId,
}

impl Live {
    /// The next message; nothing once its time is over, or the page has ended.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.process.is_current() {
            return Poll::Ready(None);
        }
        if !self.greeted {
            self.greeted = true;
            return Poll::Ready(Some(HELLO));
        }
        // Cloned and dropped outside of the lock, since a waker is foreign code.
        let waker = context.waker().clone();
        let mut state = self.feed.lock();
        if state.ended || state.looks >= self.until {
            return Poll::Ready(None);
        }
        if let Some((message, number)) = state.following(self.after) {
            drop(state);
            self.after = number;
            return Poll::Ready(Some(message));
        }
        let before = state.readers.insert(self.key, Some(waker));
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.process.is_current() {
            let waker = self.feed.lock().readers.remove(&self.key);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests;
