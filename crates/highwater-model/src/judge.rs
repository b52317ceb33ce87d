//! The judge: samples in, transitions out.
//!
//! Two ideas, one after the other: `gates` turn samples into the level, and `episode` turns what the level does into what is
//! told. The level always follows the gates, so that a gauge, or what sheds load by it, is never
//! late; what is told is bounded for any input, since an alarm that floods is an alarm that is turned off.

use core::time::Duration;

use crate::cause::{Calm, Cause};
use crate::forecast::Forecast;
use crate::growth::Detector;
use crate::level::Level;
use crate::{Bytes, CgroupEvents, Glance, Limit, Sample, SinceStart};

mod climb;
mod episode;
mod gates;
mod recent;
mod rules;
mod transition;

pub use episode::{Counts, Episode, Peak, Stay};
pub use rules::{Holds, Rules};
pub use transition::{Change, Reason, Transition, Transitions};

use episode::{Episodes, Now};
use gates::{Gates, Urgency};

/// The state machine of one process.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Rules,
    gates: Gates,
    episodes: Episodes,
    kills: Kills,
    calm: Calm,
    growth: Detector,
    /// The last sample that was judged.
    last: Option<Sample>,
}

impl Judge {
    /// With the default rules no input makes the judge decide more than this within an hour.
    ///
    /// Of [`Rules::flapping_count`] = 6, [`Rules::flapping_within`] = [`Rules::split`] = 1 h and [`Rules::apart`] = 1 min:
    ///
    /// | what | at most | why |
    /// |---|---|---|
    /// | levels entered | 15 | five of each level: the sixth within an hour flaps |
    /// | levels entered that begin to flap | 1 | flapping lasts an hour |
    /// | levels entered while it flaps | 6 | two above the first, in each of three episodes: two that flap, one of them split |
    /// | levels left, the ends of episodes included | 42 | each is one of the steps that were entered: 3 before the hour, 5 · (1 + 2 + 3), 3, and 3 · 2 |
    /// | halves of a split | 2 | a split has an hour of an episode before it |
    /// | new peaks and heartbeats | 60 | a minute after what was told last |
    /// | kills | 60 | a minute after those told last |
    /// | growth | 4 | a heartbeat after the growth that was told last |
    pub const MOST_AN_HOUR: usize = 190;

    /// A judge that has seen nothing.
    pub fn new(rules: Rules) -> Self {
        Self {
            gates: Gates::default(),
            episodes: Episodes::default(),
            kills: Kills::default(),
            calm: Calm::default(),
            growth: Detector::new(&rules.growth),
            last: None,
            rules,
        }
    }

    /// Judges one sample. A sample whose `used` is unknown changes nothing.
    pub fn judge(&mut self, sample: &Sample) -> Transitions {
        let mut transitions = Transitions::default();
        let Some(used) = sample.used else {
            self.growth.lose_sight();
            return transitions;
        };
        let last = self.last.replace(*sample);
        let risen = |count: fn(&CgroupEvents) -> Option<u64>| {
            let (now, then) = (sample.cgroup?.events, last?.cgroup?.events);
            count(&now)?.checked_sub(count(&then)?).filter(|by| *by > 0)
        };
        let resized = last.is_some_and(|last| is_resize(last.limit, sample.limit));
        let urgency = if resized {
            Urgency::Resized
        } else if risen(|events| events.oom).is_some() {
            Urgency::Kernel
        } else {
            Urgency::None
        };
        if last.is_some_and(|last| scope(last.limit) != scope(sample.limit)) {
            self.calm = Calm::default();
            self.gates.forget_climb();
        }
        if let Some(growth) = self.growth.observe(sample, used, self.rules.heartbeat) {
            let (reason, cause, change) = (growth.pace.into(), growth.cause, Change::Growth(growth));
            transitions.push(Transition { at: sample.at, reason, level: self.level(), cause, change });
        }
        let moved = self.gates.observe(sample.at, used, sample.limit, &self.rules, urgency);
        if self.episodes.open().is_none() && !self.gates.is_above() {
            self.calm.note(sample.at, used, sample);
        }
        let now = Now {
            at: sample.at,
            used: Peak { used, utilization: sample.utilization() },
            limit: sample.limit.map(|limit| limit.bytes),
            moved,
            above: self.gates.is_above(),
            leaving: self.gates.is_leaving(),
        };
        let calm = &self.calm;
        self.episodes.step(&self.rules, &now, || cause(calm, sample, used), &mut transitions);
        if let Some(count) = risen(|events| events.oom_kills) {
            // Of the sample before: what was killed is gone from this one.
            let before = last.unwrap_or(*sample);
            self.kills.add(count, cause(&self.calm, &before, before.used.unwrap_or(used)));
        }
        if let Some((count, cause)) = self.kills.take(sample.at, &self.rules) {
            let (at, reason, level, change) = (sample.at, Reason::Kernel, self.level(), Change::OomKill(count));
            transitions.push(Transition { at, reason, level, cause, change });
        }
        transitions
    }

    /// Whether the cheap signals say that a line is exceeded which the last sample did not exceed: then a full sample
    /// should be judged at once.
    pub fn suspects(&self, glance: &Glance) -> bool {
        let lines = self.rules.levels.lines(glance.limit.map(|limit| limit.bytes));
        glance.used.is_some_and(|used| self.gates.would_exceed(used, &lines))
    }

    /// Ends an open episode because judgement ends.
    pub fn shut_down(&mut self, at: SinceStart) -> Option<Transition> {
        self.gates = Gates::default();
        self.episodes.shut_down(at)
    }

    /// Whether a level is raised or a line exceeded: what comes next matters.
    pub fn is_alert(&self) -> bool {
        self.level() > Level::Normal || self.gates.is_above()
    }

    /// The level now.
    pub fn level(&self) -> Level {
        self.gates.level()
    }

    /// The open episode, if there is one. While it flaps the level may be normal.
    pub fn episode(&self) -> Option<Episode> {
        self.episodes.open()
    }

    /// Bytes a second by which use rises or falls, over the fast window of [`Rules::growth`]; `None` where it is not certain
    /// which, and after a sample without use. It takes some microseconds: ask once a sample.
    pub fn slope(&self) -> Option<f64> {
        self.growth.slope()
    }

    /// When the limit of the last sample is reached; `None` without one, where it is not certain that use rises, and after a
    /// sample without use. It
    /// takes some microseconds: ask once a sample.
    pub fn time_to_limit(&self) -> Option<Forecast> {
        self.growth.forecast(self.last?.limit?)
    }

    /// Whether growth was told that has not stopped, and was not given back.
    pub fn is_growing(&self) -> bool {
        self.growth.goes_on()
    }

    /// For how much longer nothing counts as growth, as of the last sample; zero once the process is warm.
    pub fn warm_up_left(&self) -> Duration {
        self.growth.warm_up_left(self.last.map_or(SinceStart::default(), |last| last.at))
    }

    /// How many episodes began and levels were entered so far, told or not.
    pub fn counts(&self) -> Counts {
        self.episodes.counts()
    }
}

/// Kills by the kernel that wait to be told together.
#[derive(Clone, Copy, Debug, Default)]
struct Kills {
    waiting: u64,
    cause: Cause,
    told: Option<SinceStart>,
}

impl Kills {
    fn add(&mut self, count: u64, cause: Cause) {
        self.waiting = self.waiting.saturating_add(count);
        self.cause = cause;
    }

    /// Those that wait, at least [`Rules::apart`] after the last ones.
    fn take(&mut self, at: SinceStart, rules: &Rules) -> Option<(u64, Cause)> {
        if self.waiting == 0 || self.told.is_some_and(|told| at.since(told) < rules.apart) {
            return None;
        }
        self.told = Some(at);
        Some((core::mem::take(&mut self.waiting), self.cause))
    }
}

fn cause(calm: &Calm, sample: &Sample, used: Bytes) -> Cause {
    if sample.others_hold_most() { Cause::OtherProcess } else { calm.cause(sample, used) }
}

/// What a limit is set on.
fn scope(limit: Option<Limit>) -> Option<u64> {
    limit.map(|limit| limit.scope)
}

/// Another limit on the same scope, or a limit that came or went. Of the limits of one directory, `memory.max` and
/// `memory.high`, the smaller binds, with the same use: where that changes, a limit was changed.
fn is_resize(before: Option<Limit>, now: Option<Limit>) -> bool {
    match (before, now) {
        (Some(old), Some(new)) => old.scope == new.scope && old.bytes != new.bytes,
        (old, new) => old.is_some() != new.is_some(),
    }
}

#[cfg(test)]
mod tests;
