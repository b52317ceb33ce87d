//! The judge: samples in, transitions out.
//!
//! Each raised level has a *gate* with its own timers. A gate opens once its line was exceeded without a break for its
//! enter hold, and shuts once use was below its leave line for its leave hold. The gates run side by side, so that from
//! 96 % to 50 % a process is back to normal after the longest leave hold, not after their sum. The level is the highest
//! open gate; from leaving normal to normal again is one episode.
//!
//! Moments of an episode are those of the crossings, not of the decisions, which come a hold later: an episode begins when
//! the line was exceeded and ends when use fell below the last one, so that its duration is what a chart shows.

use core::time::Duration;

use crate::cause::{Calm, Cause};
use crate::level::{Level, Levels, Line};
use crate::{Bytes, CgroupEvents, Glance, Limit, Sample, SinceStart};

/// How long a line must be crossed before the crossing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// Above elevated before it is entered. 30 s: most bursts of a healthy service are over by then.
    pub elevated: Duration,
    /// Above high before it is entered. 10 s: longer than one slow purge of the allocator.
    pub high: Duration,
    /// Above critical before it is entered. None: from 95 % a fast allocation reaches the limit within a second.
    pub critical: Duration,
    /// Below elevated and high before they are left. 60 s: jemalloc gives freed memory back within about 10 s, in steps.
    pub leave: Duration,
    /// Below critical before it is left. 30 s: it should not linger, since it makes services shed load.
    pub leave_critical: Duration,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            elevated: Duration::from_secs(30),
            high: Duration::from_secs(10),
            critical: Duration::ZERO,
            leave: Duration::from_secs(60),
            leave_critical: Duration::from_secs(30),
        }
    }
}

/// Why a transition happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The line was exceeded for the level's hold.
    Held,
    /// The kernel failed to reclaim memory (its `oom` counter rose), which confirms at once.
    Kernel,
    /// Use stayed below the level's leave line for the leave hold.
    Recovered,
    /// The limit was changed, and the level with it.
    LimitChanged,
    /// The agent shuts down.
    Shutdown,
}

impl Reason {
    /// The value of `highwater.reason`; of an end, of `highwater.ended_by` too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Kernel => "kernel",
            Self::Recovered => "recovered",
            Self::LimitChanged => "limit_changed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What the judge decided about one sample, with the reason and the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// When it was decided.
    pub at: SinceStart,
    /// Why.
    pub reason: Reason,
    /// The level from now on.
    pub level: Level,
    /// Which part of the memory grew; of an episode that ends, which one did.
    pub cause: Cause,
    /// What changed.
    pub change: Change,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Normal was left.
    Begun(Episode),
    /// The level rose or fell inside the episode; the stay at the previous level is over.
    Changed(Episode, Stay),
    /// Normal was reached again, or judgement ends; the stay at the last level is over.
    Ended(Episode, Stay),
    /// The cgroup's kill counter rose by so much. Inside an episode or outside.
    OomKill(u64),
}

/// From leaving normal to normal again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// 1 for the first episode of the process, 2 for the second.
    pub number: u64,
    /// When the line of its first level was exceeded.
    pub began: SinceStart,
    /// When normal was reached; while the episode is open, the last boundary between two levels.
    pub until: SinceStart,
    /// The level now; of an ended episode, its last.
    pub level: Level,
    /// Which part of the memory grew, as of its last rise.
    pub cause: Cause,
    /// The highest use so far.
    pub peak: Peak,
    /// Time at elevated, high and critical up to `until`.
    pub time_at: [Duration; 3],
}

impl Episode {
    /// From `began` to `until`.
    pub fn duration(&self) -> Duration {
        self.until.since(self.began)
    }
}

/// The highest use of an episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak {
    /// Bytes used.
    pub used: Bytes,
    /// The same as a ratio of the limit at that moment.
    pub utilization: Option<f64>,
}

/// An unbroken time at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The level.
    pub level: Level,
    /// When its line was crossed.
    pub from: SinceStart,
    /// When the next line was crossed.
    pub to: SinceStart,
}

/// The transitions of one sample, in order. At most [`Transitions::MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transitions([Option<Transition>; Self::MOST]);

impl Transitions {
    /// A kill and one change of the episode.
    pub const MOST: usize = 2;

    fn push(&mut self, transition: Transition) {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(transition);
        }
    }

    /// The transitions.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.0.iter().flatten()
    }
}

/// The state machine of one process.
#[derive(Clone, Debug)]
pub struct Judge {
    levels: Levels,
    holds: Holds,
    gates: [Gate; 3],
    episodes: u64,
    open: Option<Open>,
    /// The highest use since a line is exceeded, or a gate open.
    peak: Option<Peak>,
    calm: Calm,
    /// The last sample that was judged.
    last: Option<Sample>,
}

/// An open episode and the stay that goes on.
#[derive(Clone, Copy, Debug)]
struct Open {
    episode: Episode,
    since: SinceStart,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(levels: Levels, holds: Holds) -> Self {
        Self {
            levels,
            holds,
            gates: [Gate::default(); 3],
            episodes: 0,
            open: None,
            peak: None,
            calm: Calm::default(),
            last: None,
        }
    }

    /// Judges one sample. A sample whose `used` is unknown changes nothing.
    pub fn judge(&mut self, sample: &Sample) -> Transitions {
        let mut transitions = Transitions::default();
        let Some(used) = sample.used else { return transitions };
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
        }
        if let Some(transition) = self.step(sample, used, urgency) {
            transitions.push(transition);
        }
        if let Some(count) = risen(|events| events.oom_kills) {
            let change = Change::OomKill(count);
            // Of the sample before: what was killed is gone from this one.
            let before = last.unwrap_or(*sample);
            let cause = self.cause(&before, before.used.unwrap_or(used));
            let (at, level) = (sample.at, self.level());
            transitions.push(Transition { at, reason: Reason::Kernel, level, cause, change });
        }
        transitions
    }

    /// Whether the cheap signals say that a line is exceeded which the last sample did not exceed: then a full sample
    /// should be judged at once.
    pub fn suspects(&self, glance: &Glance) -> bool {
        let Some(used) = glance.used else { return false };
        let lines = self.levels.lines(glance.limit.map(|limit| limit.bytes));
        let exceeds = |(gate, line): (&Gate, &Option<Line>)| !gate.is_above() && line.is_some_and(|l| used >= l.enter);
        self.gates.iter().zip(&lines).any(exceeds)
    }

    /// Ends an open episode because judgement ends.
    pub fn shut_down(&mut self, at: SinceStart) -> Option<Transition> {
        let open = self.open.take()?;
        let (episode, stay) = open.leave(at, open.episode.level);
        let change = Change::Ended(episode, stay);
        Some(Transition { at, reason: Reason::Shutdown, level: Level::Normal, cause: episode.cause, change })
    }

    /// Whether an episode is open or a line exceeded: what comes next matters.
    pub fn is_alert(&self) -> bool {
        self.open.is_some() || self.gates.iter().any(Gate::is_above)
    }

    /// The level now.
    pub fn level(&self) -> Level {
        self.open.map_or(Level::Normal, |open| open.episode.level)
    }

    /// The open episode, if there is one.
    pub fn episode(&self) -> Option<Episode> {
        self.open.map(|open| open.episode)
    }

    /// Moves the gates, and the episode where the level changed.
    fn step(&mut self, sample: &Sample, used: Bytes, urgency: Urgency) -> Option<Transition> {
        let at = sample.at;
        let lines = self.levels.lines(sample.limit.map(|limit| limit.bytes));
        let mut fell: Option<SinceStart> = None;
        for (level, gate, line) in zip3(Level::RAISED, &mut self.gates, lines) {
            let (enter, leave) = self.holds.of(level);
            if let Some(below_since) = gate.observe(at, used, line, enter, leave, urgency) {
                fell = fell.max(Some(below_since));
            }
        }
        self.note_peak(sample, used);
        if !self.is_alert() {
            self.calm.note(at, used, sample);
        }

        let before = self.level();
        let (after, crossed) = self.highest_open_gate();
        if before == after {
            if let (Some(open), Some(peak)) = (&mut self.open, self.peak) {
                open.episode.peak = peak;
            }
            return None;
        }
        let rose = after > before;
        let reason = match urgency {
            Urgency::Resized => Reason::LimitChanged,
            Urgency::Kernel if rose => Reason::Kernel,
            _ if rose => Reason::Held,
            _ => Reason::Recovered,
        };
        let peak = self.peak.unwrap_or_default();
        let boundary = if rose { crossed } else { fell }.unwrap_or(at);
        let cause = match self.open {
            Some(open) if !rose => open.episode.cause,
            _ => self.cause(sample, used),
        };
        let change = match self.open {
            None => {
                self.episodes = self.episodes.saturating_add(1);
                let episode = Episode {
                    number: self.episodes,
                    began: boundary,
                    until: boundary,
                    level: after,
                    cause,
                    peak,
                    time_at: [Duration::ZERO; 3],
                };
                self.open = Some(Open { episode, since: boundary });
                Change::Begun(episode)
            }
            Some(mut open) => {
                open.episode.peak = peak;
                open.episode.cause = cause;
                let (episode, stay) = open.leave(boundary, after);
                if after == Level::Normal {
                    self.open = None;
                    self.peak = None;
                    Change::Ended(Episode { level: before, ..episode }, stay)
                } else {
                    self.open = Some(Open { episode, since: stay.to });
                    Change::Changed(episode, stay)
                }
            }
        };
        Some(Transition { at, reason, level: after, cause, change })
    }

    fn note_peak(&mut self, sample: &Sample, used: Bytes) {
        if !self.is_alert() {
            self.peak = None;
        } else if self.peak.is_none_or(|peak| used > peak.used) {
            self.peak = Some(Peak { used, utilization: sample.utilization() });
        }
    }

    /// The level, and when its line was exceeded.
    fn highest_open_gate(&self) -> (Level, Option<SinceStart>) {
        let open = Level::RAISED.into_iter().zip(&self.gates).rev().find_map(|(level, gate)| Some((level, gate.open?)));
        open.map_or((Level::Normal, None), |(level, since)| (level, Some(since)))
    }

    fn cause(&self, sample: &Sample, used: Bytes) -> Cause {
        if sample.others_hold_most() { Cause::OtherProcess } else { self.calm.cause(sample, used) }
    }
}

impl Holds {
    /// The enter and the leave hold of a level.
    const fn of(&self, level: Level) -> (Duration, Duration) {
        match level {
            Level::Normal => (Duration::ZERO, Duration::ZERO),
            Level::Elevated => (self.elevated, self.leave),
            Level::High => (self.high, self.leave),
            Level::Critical => (self.critical, self.leave_critical),
        }
    }
}

impl Open {
    /// Ends the stay at the present level, at `boundary` but not before it began, and moves to the `next` level.
    fn leave(&self, boundary: SinceStart, next: Level) -> (Episode, Stay) {
        let to = boundary.max(self.since);
        let stay = Stay { level: self.episode.level, from: self.since, to };
        let mut episode = Episode { until: to, level: next, ..self.episode };
        for (level, time) in Level::RAISED.into_iter().zip(&mut episode.time_at) {
            if level == stay.level {
                *time = time.saturating_add(to.since(self.since));
            }
        }
        (episode, stay)
    }
}

/// Whether holds are skipped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    None,
    /// The kernel failed to reclaim: what is exceeded is entered at once.
    Kernel,
    /// The limit changed: what is exceeded is entered and what is not is left at once.
    Resized,
}

/// One level's timers.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// Since when the line is exceeded without a break.
    above: Option<SinceStart>,
    /// Of an open gate: since when use is below the leave line without a break.
    below: Option<SinceStart>,
    /// Of an open gate: when its line was exceeded.
    open: Option<SinceStart>,
}

impl Gate {
    const fn is_above(&self) -> bool {
        self.above.is_some()
    }

    /// Takes one sample into account; returns since when use is below the line where the gate shuts.
    fn observe(
        &mut self,
        at: SinceStart,
        used: Bytes,
        line: Option<Line>,
        enter_hold: Duration,
        leave_hold: Duration,
        urgency: Urgency,
    ) -> Option<SinceStart> {
        let Some(line) = line else {
            // The level is off: with the limit that it needs gone, or a resize that left no room for it.
            *self = Self { above: None, below: None, open: self.open };
            return self.open.take().map(|_| at);
        };
        if used >= line.enter {
            let since = *self.above.get_or_insert(at);
            self.below = None;
            if self.open.is_none() && (urgency != Urgency::None || at.since(since) >= enter_hold) {
                self.open = Some(since);
            }
            return None;
        }
        self.above = None;
        if self.open.is_none() || used >= line.leave {
            self.below = None;
            return None;
        }
        let since = *self.below.get_or_insert(at);
        if urgency == Urgency::Resized || at.since(since) >= leave_hold {
            *self = Self::default();
            return Some(since);
        }
        None
    }
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

fn zip3<A, B, C>(
    a: impl IntoIterator<Item = A>,
    b: impl IntoIterator<Item = B>,
    c: impl IntoIterator<Item = C>,
) -> impl Iterator<Item = (A, B, C)> {
    a.into_iter().zip(b).zip(c).map(|((a, b), c)| (a, b, c))
}

#[cfg(test)]
mod tests;
