//! Level changes in, what is told out.
//!
//! From leaving normal to normal again is one *episode*: a level that rises or falls meanwhile is told inside it. Moments
//! are those of the crossings, not of the decisions, which come a hold later, so that a duration is what a chart shows.
//!
//! What does not change is told again, for those who only read: a new peak, and a heartbeat. What lasts is split, since a
//! span is sent at its end: the second half has a number of its own and names the first.
//!
//! What happens too often *flaps*: the sixth episode of an hour, or the sixth entry of one level, is told as flapping.
//! From then on an episode counts instead of telling. A return to normal does not end it, and a level is told only if it is
//! higher than the one told last; peaks, heartbeats and splits go on. It is over an hour after the last entry.
//!
//! Stays are those of the level that was told: where every change is told, the time between two crossings; while it flaps,
//! from a level's telling to that of a higher one, whatever the level did meanwhile. Thus they always follow one another
//! and fill the episode. The times at the levels stay those of the gates: while it flaps they say how long the level was
//! truly held, and what they lack of the duration was spent at normal.

use core::time::Duration;

use super::gates::Move;
use super::recent::Recent;
use super::rules::Rules;
use super::transition::{Change, Reason, Transition, Transitions};
use crate::{Bytes, Cause, Level, SinceStart};

/// From leaving normal to normal again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Episode {
    /// 1 for the first episode of the process, 2 for the second; the second half of a split has its own.
    pub number: u64,
    /// Of the second half of a split, the number of the first.
    pub previous: Option<u64>,
    /// When the line of its first level was exceeded; of the second half of a split, when it was split.
    pub began: SinceStart,
    /// When normal was reached; while the episode is open, the last boundary between two levels, or now where it is told
    /// again.
    pub until: SinceStart,
    /// The level that was told last; of an ended episode, its last.
    pub level: Level,
    /// Which part of the memory grew, as of the last rise that was told.
    pub cause: Cause,
    /// The highest use so far.
    pub peak: Peak,
    /// Time at elevated, high and critical up to `until`.
    pub time_at: [Duration; 3],
    /// Entries that were counted and not told, since it flaps.
    pub merged: u64,
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

/// An unbroken time at one level, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The level.
    pub level: Level,
    /// When its line was crossed.
    pub from: SinceStart,
    /// When the next line was crossed.
    pub to: SinceStart,
}

/// Running counts, of what was told and of what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Episodes that began; the second half of a split is not counted.
    pub episodes: u64,
    /// Entries of elevated, high and critical: of the level that was reached, not of those jumped over.
    pub entries: [u64; 3],
}

/// The episodes of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Episodes {
    open: Option<Open>,
    number: u64,
    counts: Counts,
    /// The highest use since a line is exceeded or an episode open.
    peak: Option<Peak>,
    begun: Recent,
    /// Entries of elevated, high and critical.
    entered: [Recent; 3],
}

#[derive(Clone, Copy, Debug)]
struct Open {
    episode: Episode,
    /// When the stay at the told level began.
    stay: SinceStart,
    /// The level of the gates, and when it was reached.
    level: Level,
    since: SinceStart,
    /// When something was told last, and the peak of that moment.
    told: (SinceStart, Bytes),
    /// While it flaps: the last entry.
    flapping: Option<SinceStart>,
}

/// What the gates say of one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: SinceStart,
    pub(super) used: Peak,
    pub(super) limit: Option<Bytes>,
    pub(super) moved: Option<Move>,
    /// Whether a line is exceeded.
    pub(super) above: bool,
    /// Whether a level is about to be left.
    pub(super) leaving: bool,
}

impl Episodes {
    /// Takes one sample into account, and tells of what moved, or else of what is due.
    pub(super) fn step(&mut self, rules: &Rules, now: &Now, cause: impl FnOnce() -> Cause, told: &mut Transitions) {
        self.note_peak(now);
        let loud = now.moved.and_then(|moved| {
            if moved.is_rise() { self.rise(rules, now.at, moved, cause) } else { self.fall(now.at, moved) }
        });
        match loud {
            Some(transition) => told.push(transition),
            None => self.tell_what_is_due(rules, now, told),
        }
    }

    /// Ends an open episode because judgement ends.
    pub(super) fn shut_down(&mut self, at: SinceStart) -> Option<Transition> {
        let mut open = self.open.take()?;
        self.peak = None;
        if open.level > Level::Normal {
            open.reach(Level::Normal, at);
        }
        Some(open.end(at, Reason::Shutdown))
    }

    pub(super) fn open(&self) -> Option<Episode> {
        self.open.map(|open| open.episode)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn note_peak(&mut self, now: &Now) {
        if self.open.is_none() && !now.above {
            self.peak = None;
        } else if self.peak.is_none_or(|peak| now.used.used > peak.used) {
            self.peak = Some(now.used);
        }
        if let (Some(open), Some(peak)) = (&mut self.open, self.peak) {
            open.episode.peak = peak;
        }
    }

    fn rise(
        &mut self,
        rules: &Rules,
        at: SinceStart,
        moved: Move,
        cause: impl FnOnce() -> Cause,
    ) -> Option<Transition> {
        let too_often = self.count_entry(rules, at, moved.to);
        let reason = if too_often { Reason::Flapping } else { moved.reason };
        let flapping = too_often.then_some(at);
        let Some(open) = &mut self.open else {
            self.number = self.number.saturating_add(1);
            let episode = Episode {
                number: self.number,
                previous: None,
                began: moved.crossed,
                until: moved.crossed,
                level: moved.to,
                cause: cause(),
                peak: self.peak.unwrap_or_default(),
                time_at: [Duration::ZERO; 3],
                merged: 0,
            };
            return Some(self.open.insert(Open::new(episode, flapping)).begin(at, reason));
        };
        open.reach(moved.to, moved.crossed);
        if open.flapping.is_none() {
            open.flapping = flapping;
            open.episode.cause = cause();
            return Some(open.change(at, reason));
        }
        open.flapping = Some(at);
        if moved.to > open.episode.level {
            open.episode.cause = cause();
            return Some(open.change(at, moved.reason));
        }
        open.episode.merged = open.episode.merged.saturating_add(1);
        None
    }

    fn fall(&mut self, at: SinceStart, moved: Move) -> Option<Transition> {
        let open = self.open.as_mut()?;
        open.reach(moved.to, moved.crossed);
        if open.flapping.is_some() { None } else { self.settle(at, moved.reason) }
    }

    /// Tells the lower level that the gates have reached; normal ends the episode.
    fn settle(&mut self, at: SinceStart, reason: Reason) -> Option<Transition> {
        let open = self.open.as_mut()?;
        if open.level > Level::Normal {
            return Some(open.change(at, reason));
        }
        let ended = open.end(at, reason);
        (self.open, self.peak) = (None, None);
        Some(ended)
    }

    fn tell_what_is_due(&mut self, rules: &Rules, now: &Now, told: &mut Transitions) {
        let Some(open) = &mut self.open else { return };
        if open.flapping.is_some_and(|last| now.at.since(last) >= rules.flapping_within) {
            open.flapping = None;
            if open.level < open.episode.level {
                if let Some(settled) = self.settle(now.at, Reason::Recovered) {
                    told.push(settled);
                }
                return;
            }
        }
        let is_long = now.at.since(open.episode.began) >= rules.split;
        // Not on the way down: the second half would end before it began.
        if is_long && open.level > Level::Normal && !now.leaving {
            self.number = self.number.saturating_add(1);
            self.peak = Some(now.used);
            for half in open.split(now, self.number) {
                told.push(half);
            }
        } else if let Some(reason) = open.due(rules, now) {
            told.push(open.again(now.at, reason));
        }
    }

    /// Counts the entry of a level, and returns whether it is one too many.
    fn count_entry(&mut self, rules: &Rules, at: SinceStart, entered: Level) -> bool {
        let mut too_often = false;
        let mut note = |recent: &mut Recent| too_often |= recent.note(at, rules.flapping_count, rules.flapping_within);
        if self.open.is_none() {
            self.counts.episodes = self.counts.episodes.saturating_add(1);
            note(&mut self.begun);
        }
        for ((level, count), recent) in Level::RAISED.into_iter().zip(&mut self.counts.entries).zip(&mut self.entered) {
            if level == entered {
                *count = count.saturating_add(1);
                note(recent);
            }
        }
        too_often
    }
}

impl Open {
    fn new(episode: Episode, flapping: Option<SinceStart>) -> Self {
        Self {
            episode,
            stay: episode.began,
            level: episode.level,
            since: episode.began,
            told: (episode.began, episode.peak.used),
            flapping,
        }
    }

    /// The gates reached a level at `crossed`, but not before the level that they left.
    fn reach(&mut self, level: Level, crossed: SinceStart) {
        let crossed = crossed.max(self.since);
        for (left, time) in Level::RAISED.into_iter().zip(&mut self.episode.time_at) {
            if left == self.level {
                *time = time.saturating_add(crossed.since(self.since));
            }
        }
        (self.level, self.since) = (level, crossed);
    }

    fn begin(&mut self, at: SinceStart, reason: Reason) -> Transition {
        self.tell(at, reason, Change::Begun(self.episode))
    }

    /// The level of the gates becomes the told one.
    fn change(&mut self, at: SinceStart, reason: Reason) -> Transition {
        let stay = self.leave();
        self.episode.level = self.level;
        self.tell(at, reason, Change::Changed(self.episode, stay))
    }

    fn again(&mut self, at: SinceStart, reason: Reason) -> Transition {
        let mut until_now = *self;
        until_now.reach(self.level, at);
        until_now.episode.until = until_now.since;
        self.tell(at, reason, Change::Again(until_now.episode))
    }

    fn end(&mut self, at: SinceStart, reason: Reason) -> Transition {
        let stay = self.leave();
        self.tell(at, reason, Change::Ended(self.episode, stay))
    }

    /// Ends the episode now, and goes on as another one.
    fn split(&mut self, now: &Now, number: u64) -> [Transition; 2] {
        self.reach(self.level, now.at);
        let first = self.end(now.at, Reason::Split);
        let second = Episode {
            number,
            previous: Some(self.episode.number),
            began: self.since,
            until: self.since,
            level: self.level,
            cause: self.episode.cause,
            peak: now.used,
            time_at: [Duration::ZERO; 3],
            merged: 0,
        };
        *self = Self::new(second, self.flapping);
        [first, self.begin(now.at, Reason::Split)]
    }

    /// Ends the stay at the told level where that of the gates begins.
    fn leave(&mut self) -> Stay {
        let stay = Stay { level: self.episode.level, from: self.stay, to: self.since };
        (self.stay, self.episode.until) = (stay.to, stay.to);
        stay
    }

    fn tell(&mut self, at: SinceStart, reason: Reason, change: Change) -> Transition {
        self.told = (at, self.episode.peak.used);
        Transition { at, reason, level: self.level, cause: self.episode.cause, change }
    }

    /// Why it should be told again, where nothing moved.
    fn due(&self, rules: &Rules, now: &Now) -> Option<Reason> {
        let (told, peak) = self.told;
        let step = rules.peak_step.of(now.limit.unwrap_or(peak)).max(Bytes::new(1));
        if now.at.since(told) >= rules.apart && self.episode.peak.used.saturating_sub(peak) >= step {
            return Some(Reason::Peak);
        }
        (now.at.since(told) >= rules.heartbeat).then_some(Reason::Heartbeat)
    }
}
