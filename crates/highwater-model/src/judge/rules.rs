//! Every number of judgement, with its default and the reason for it.

use core::time::Duration;

use crate::{Level, Levels, Percent, Windows};

/// By what a [`Judge`](crate::Judge) judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Where the levels begin.
    pub levels: Levels,
    /// How long a line must be crossed before the crossing counts.
    pub holds: Holds,
    /// Whether a climb that would reach the next level within the hold skips it. On: a hold is there to outlast bursts, and
    /// on such a climb it would outlast the process.
    pub steep: bool,
    /// Inside an episode, from what was told last to a heartbeat; also the least time from growth to growth. 15 min: often
    /// enough to see that somebody still watches, and four lines an hour in a log.
    pub heartbeat: Duration,
    /// How far above the peak that was told last a new one is told, as a share of the limit; without a limit, of that peak.
    /// 5 %: the distance between the lines of two levels at its closest, so that a peak says as much as a level.
    pub peak_step: Percent,
    /// The least time from what was told last to a new peak, and from one telling of kills to the next. 1 min: without a
    /// limit use can double every second, and a cgroup can lose a process every second.
    pub apart: Duration,
    /// An episode that lasts so long is split. 1 h: a root span that is longer serves no backend.
    pub split: Duration,
    /// With so many episodes, or entries of one level, within [`flapping_within`](Self::flapping_within), the last of them
    /// flaps. 6: one in ten minutes is news, more is noise. At most 10.
    pub flapping_count: u8,
    /// The time within which [`flapping_count`](Self::flapping_count) is reached, and without an entry after which flapping
    /// is over. 1 h: a process that hovers at a line for a day is told once.
    pub flapping_within: Duration,
    /// How far back growth is looked for.
    pub growth: Windows,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            holds: Holds::default(),
            steep: true,
            heartbeat: Duration::from_secs(15 * 60),
            peak_step: Levels::GAP,
            apart: Duration::from_secs(60),
            split: Duration::from_secs(60 * 60),
            flapping_count: 6,
            flapping_within: Duration::from_secs(60 * 60),
            growth: Windows::default(),
        }
    }
}

/// How long a line must be crossed before the crossing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Holds {
    /// The enter and the leave hold of a level.
    pub(super) const fn of(&self, level: Level) -> (Duration, Duration) {
        match level {
            Level::Normal => (Duration::ZERO, Duration::ZERO),
            Level::Elevated => (self.elevated, self.leave),
            Level::High => (self.high, self.leave),
            Level::Critical => (self.critical, self.leave_critical),
        }
    }
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
