//! What was told and has not arrived: kept until the collector has it, within bounds.
//!
//! At most [`CAPACITY`] parcels wait, each for [`AGE`], and what tells of a run that is over as long as this one lasts, since
//! its box is kept until it has arrived; where one more comes, the least important makes room, of several
//! the oldest. Of profiles, which are large, one waits, and the next takes its place. What is most important goes first,
//! then what waits longest. After a failure the way of that signal rests, longer from one failure to the next, or for as
//! long as the collector asks.
//!
//! Nothing here sends and nothing reads a clock: time is an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use highwater_model::SinceStart;

use super::wire::Body;
use crate::black_box::Receipt;
use crate::event::Priority;
use crate::signal::{Signal, Signals};

/// How many parcels wait: an event is one, and each of its spans.
pub(super) const CAPACITY: usize = 256;
/// How long a parcel waits. What is older nobody will act upon; it is in the service's log too.
pub(super) const AGE: Duration = Duration::from_secs(10 * 60);
/// The rest after the first failure; each further one doubles it.
const REST: Duration = Duration::from_millis(500);
/// However long a collector asks for: what waits would expire.
pub(super) const LONGEST_ASKED_REST: Duration = AGE;
/// A collector that is back hears of it within this time.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// One request that waits.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) signal: Signal,
    pub(super) priority: Priority,
    pub(super) told: SinceStart,
    pub(super) body: Body,
    /// Where it is to be said that it has arrived, with the other parts of its event.
    pub(super) receipt: Option<Arc<Receipt>>,
    /// Whether it waits however long that takes.
    pub(super) is_kept: bool,
}

/// All that waits, in the order in which it was told.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Parcel>,
    ways: Signals<Way>,
}

/// How the way of one signal fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    /// In a row.
    failures: u32,
    rests_until: SinceStart,
    /// Whether the collector has asked for the rest: then nothing is urgent enough.
    asked: bool,
}

impl Outbox {
    /// Adds what was told now. Returns what had to make room for it.
    pub(super) fn put(&mut self, parcel: Parcel) -> Option<Parcel> {
        if parcel.priority == Priority::High {
            let way = self.ways.of_mut(parcel.signal);
            if !way.asked {
                way.rests_until = SinceStart::default();
            }
        }
        let before = self.waiting.iter().position(|waiting| waiting.signal == parcel.signal);
        if let Some(before) = before.filter(|_| parcel.signal == Signal::Profiles) {
            let replaced = self.waiting.remove(before);
            self.waiting.push_back(parcel);
            return replaced;
        }
        self.waiting.push_back(parcel);
        if self.waiting.len() <= CAPACITY {
            return None;
        }
        // The first of the least: `min_by_key` keeps the earlier of equals.
        let (least, _) = self.waiting.iter().enumerate().min_by_key(|(_, parcel)| parcel.priority)?;
        self.waiting.remove(least)
    }

    /// Takes out what has waited too long.
    pub(super) fn take_expired(&mut self, now: SinceStart) -> Option<Parcel> {
        let oldest = self.waiting.iter().position(|parcel| !parcel.is_kept)?;
        if now.since(self.waiting.get(oldest)?.told) < AGE {
            return None;
        }
        self.waiting.remove(oldest)
    }

    /// Takes out what is to be sent now.
    pub(super) fn take_due(&mut self, now: SinceStart) -> Option<Parcel> {
        let due = self.waiting.iter().enumerate().filter(|(_, parcel)| self.ways.of(parcel.signal).rests_until <= now);
        // The first of the most important.
        let (first, _) = due.min_by_key(|(_, parcel)| std::cmp::Reverse(parcel.priority))?;
        self.waiting.remove(first)
    }

    /// How long nothing will be due nor expire; `None` where nothing waits.
    pub(super) fn rest(&self, now: SinceStart) -> Option<Duration> {
        let due = self.waiting.iter().map(|parcel| self.ways.of(parcel.signal).rests_until).min()?;
        let expires = self.waiting.iter().find(|parcel| !parcel.is_kept).map(|parcel| parcel.told.after(AGE));
        Some(expires.map_or(due, |expires| due.min(expires)).since(now))
    }

    /// The collector has answered: the way is open.
    pub(super) fn succeeded(&mut self, signal: Signal) {
        *self.ways.of_mut(signal) = Way::default();
    }

    /// A parcel could not be sent: it goes back to its place, and its way rests, as long as the collector has `asked`, else
    /// longer than last time. `spread`, from 0 to 1, keeps the agents of a fleet from coming back at once.
    pub(super) fn failed(&mut self, parcel: Parcel, now: SinceStart, asked: Option<Duration>, spread: f64) {
        let way = self.ways.of_mut(parcel.signal);
        let doubled = REST.saturating_mul(2_u32.saturating_pow(way.failures)).min(LONGEST_REST);
        let rest = asked
            .map_or_else(|| doubled.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0), |asked| asked.min(LONGEST_ASKED_REST));
        *way = Way { failures: way.failures.saturating_add(1), rests_until: now.after(rest), asked: asked.is_some() };
        let place = self.waiting.partition_point(|other| other.told < parcel.told);
        self.waiting.insert(place, parcel);
    }

    /// Takes out all that waits, the most important first.
    pub(super) fn take_all(&mut self) -> Vec<Parcel> {
        let mut all: Vec<_> = self.waiting.drain(..).collect();
        all.sort_by_key(|parcel| std::cmp::Reverse(parcel.priority));
        all
    }

    /// Whether the collector has asked for a rest that is not over.
    pub(super) fn is_asked_to_rest(&self, signal: Signal, now: SinceStart) -> bool {
        let way = self.ways.of(signal);
        way.asked && now < way.rests_until
    }
}

#[cfg(test)]
mod tests;
