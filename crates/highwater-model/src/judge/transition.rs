//! What the judge decides: a transition, with its reason and its numbers.

use super::episode::{Episode, Stay};
use crate::{Cause, Growth, Level, Pace, SinceStart};

/// What the judge decided about one sample, with the reason and the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// When it was decided.
    pub at: SinceStart,
    /// Why.
    pub reason: Reason,
    /// The level now. While an episode flaps it may be another one than was told.
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
    /// Normal was left, or an episode goes on as the second half of a split.
    Begun(Episode),
    /// The level rose or fell inside the episode; the stay at the previous level is over.
    Changed(Episode, Stay),
    /// Nothing changed, and it is told again: a new peak, or a heartbeat. The episode is as it is now.
    Again(Episode),
    /// Normal was reached again, the episode is split, or judgement ends; the stay at the last level is over.
    Ended(Episode, Stay),
    /// The cgroup's kill counter rose by so much. Inside an episode or outside.
    OomKill(u64),
    /// Memory grows and does not come down. Inside an episode or outside.
    Growth(Growth),
}

/// Why a transition happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The line was exceeded for the level's hold.
    Held,
    /// The line was exceeded on a climb that would reach the next level within the hold.
    Steep,
    /// The kernel failed to reclaim memory (its `oom` counter rose), which confirms at once.
    Kernel,
    /// Use reached a new peak.
    Peak,
    /// Nothing was told for long.
    Heartbeat,
    /// Use stayed below the level's leave line for the leave hold.
    Recovered,
    /// The limit was changed, and the level with it.
    LimitChanged,
    /// The episode lasts so long that it goes on as another one.
    Split,
    /// The same happened so often that from now on it is counted and not told.
    Flapping,
    /// The slow window saw growth.
    Slow,
    /// The fast window saw growth.
    Fast,
    /// The shortest window saw growth.
    Ramp,
    /// The agent shuts down.
    Shutdown,
}

impl Reason {
    /// The value of `highwater.reason`; of an end, of `highwater.ended_by` too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Steep => "steep",
            Self::Kernel => "kernel",
            Self::Peak => "peak",
            Self::Heartbeat => "heartbeat",
            Self::Recovered => "recovered",
            Self::LimitChanged => "limit_changed",
            Self::Split => "split",
            Self::Flapping => "flapping",
            Self::Slow => "slow",
            Self::Fast => "fast",
            Self::Ramp => "ramp",
            Self::Shutdown => "shutdown",
        }
    }
}

impl From<Pace> for Reason {
    fn from(pace: Pace) -> Self {
        match pace {
            Pace::Slow => Self::Slow,
            Pace::Fast => Self::Fast,
            Pace::Ramp => Self::Ramp,
        }
    }
}

/// The transitions of one sample, in order. At most [`Transitions::MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transitions([Option<Transition>; Self::MOST]);

impl Transitions {
    /// Growth, the two halves of a split, and a kill.
    pub const MOST: usize = 4;

    pub(super) fn push(&mut self, transition: Transition) {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(transition);
        }
    }

    /// The transitions.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.0.iter().flatten()
    }
}
