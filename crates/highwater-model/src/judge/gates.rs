//! Samples in, the level out.
//!
//! Each raised level has a *gate* with its own timers. A gate opens once its line was exceeded without a break for its
//! enter hold, and shuts once use was below its leave line for its leave hold. The gates run side by side, so that from
//! 96 % to 50 % a process is back to normal after the longest leave hold, not after their sum. The level is the highest
//! open gate.
//!
//! More use never means a lower level, but for one thing: a climb skips holds, and of two runs the higher
//! may be the one that does not climb.

use core::mem;
use core::time::Duration;

use super::climb::Climb;
use super::rules::Rules;
use super::transition::Reason;
use crate::level::{Level, Line};
use crate::{Bytes, Limit, SinceStart};

/// The gates of the raised levels, lowest first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gates {
    gates: [Gate; 3],
    climb: Climb,
}

/// The level went from one to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) from: Level,
    pub(super) to: Level,
    /// When the line was crossed.
    pub(super) crossed: SinceStart,
    pub(super) reason: Reason,
}

impl Move {
    pub(super) fn is_rise(&self) -> bool {
        self.to > self.from
    }
}

/// Whether holds are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    None,
    /// The kernel failed to reclaim: what is exceeded is entered at once.
    Kernel,
    /// The limit changed: what is exceeded is entered and what is not is left at once.
    Resized,
}

impl Gates {
    /// Takes one sample into account.
    pub(super) fn observe(
        &mut self,
        at: SinceStart,
        used: Bytes,
        limit: Option<Limit>,
        rules: &Rules,
        urgency: Urgency,
    ) -> Option<Move> {
        self.climb.observe(at, used);
        let before = self.level();
        let mut fell: Option<SinceStart> = None;
        let limit = limit.map(|limit| limit.bytes);
        let lines = rules.levels.lines(limit);
        // Of what is exceeded already no climb speaks.
        let ahead = lines.into_iter().flatten().map(|line| line.enter).chain(limit).filter(|line| *line > used).min();
        for ((level, gate), line) in Level::RAISED.into_iter().zip(&mut self.gates).zip(lines) {
            let (enter, leave) = rules.holds.of(level);
            let steep = rules.steep && ahead.is_some_and(|ahead| self.climb.covers(ahead.saturating_sub(used), enter));
            let shut = match line {
                Some(line) => gate.observe(at, used, line, Hold { enter, leave, urgency, steep }),
                // The level is off: with the limit that it needs gone, or a resize that left no room for it.
                None => mem::take(gate).open.map(|_| at),
            };
            fell = fell.max(shut);
        }
        let to = self.level();
        if to == before {
            return None;
        }
        let opened = self.open().filter(|_| to > before).map(|(_, opened)| opened);
        let (crossed, reason) = match (opened, urgency) {
            (Some(opened), _) => (opened.crossed, opened.reason),
            (None, Urgency::Resized) => (fell.unwrap_or(at), Reason::LimitChanged),
            (None, _) => (fell.unwrap_or(at), Reason::Recovered),
        };
        Some(Move { from: before, to, crossed, reason })
    }

    /// Forgets how use climbed: it is of something else from now on.
    pub(super) fn forget_climb(&mut self) {
        self.climb = Climb::default();
    }

    /// The highest open gate.
    pub(super) fn level(&self) -> Level {
        self.open().map_or(Level::Normal, |(level, _)| level)
    }

    /// Whether a line is exceeded, for however short a time.
    pub(super) fn is_above(&self) -> bool {
        self.gates.iter().any(|gate| gate.above.is_some())
    }

    /// Whether use is below the leave line of an open gate, for however short a time.
    pub(super) fn is_leaving(&self) -> bool {
        self.gates.iter().any(|gate| gate.below.is_some())
    }

    /// Whether `used` exceeds a line that the last sample did not.
    pub(super) fn would_exceed(&self, used: Bytes, lines: &[Option<Line>; 3]) -> bool {
        let exceeds =
            |(gate, line): (&Gate, &Option<Line>)| gate.above.is_none() && line.is_some_and(|line| used >= line.enter);
        self.gates.iter().zip(lines).any(exceeds)
    }

    fn open(&self) -> Option<(Level, Opened)> {
        Level::RAISED.into_iter().zip(&self.gates).rev().find_map(|(level, gate)| Some((level, gate.open?)))
    }
}

/// One level's timers.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// Since when the line is exceeded without a break.
    above: Option<SinceStart>,
    /// Of an open gate: since when use is below the leave line without a break.
    below: Option<SinceStart>,
    open: Option<Opened>,
}

#[derive(Clone, Copy, Debug)]
struct Opened {
    /// When the line was exceeded.
    crossed: SinceStart,
    reason: Reason,
}

/// How long a gate waits, and what lets it not wait.
#[derive(Clone, Copy)]
struct Hold {
    enter: Duration,
    leave: Duration,
    urgency: Urgency,
    steep: bool,
}

impl Gate {
    /// Takes one sample into account; returns since when use is below the line where the gate shuts.
    fn observe(&mut self, at: SinceStart, used: Bytes, line: Line, hold: Hold) -> Option<SinceStart> {
        if used >= line.enter {
            let crossed = *self.above.get_or_insert(at);
            self.below = None;
            let reason = match hold.urgency {
                Urgency::Resized => Some(Reason::LimitChanged),
                Urgency::Kernel => Some(Reason::Kernel),
                Urgency::None if at.since(crossed) >= hold.enter => Some(Reason::Held),
                Urgency::None => hold.steep.then_some(Reason::Steep),
            };
            self.open = self.open.or(reason.map(|reason| Opened { crossed, reason }));
            return None;
        }
        self.above = None;
        if self.open.is_none() || used >= line.leave {
            self.below = None;
            return None;
        }
        let since = *self.below.get_or_insert(at);
        if hold.urgency == Urgency::Resized || at.since(since) >= hold.leave {
            *self = Self::default();
            return Some(since);
        }
        None
    }
}
