//! Which requests are turned away: by the level, the path, and their turn.
//!
//! The share is spread evenly and by no chance: of a hundred requests in a row as many are turned away as it says, as far
//! apart as they can be. So a client that tries again after one that was refused is as a rule admitted, and no two
//! processes need to know of one another.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use highwater::{Level, Pressure, ShedCounter};

/// Load shedding by memory pressure: which requests are turned away, and with what words.
///
/// Clones share their settings and the turn, so that the workers of a server shed one share together. With feature `tower` it
/// is a layer, with feature `actix-web` a middleware.
///
/// By default every second request is turned away at [`Level::High`] and all at [`Level::Critical`], no path is exempt, and
/// `Retry-After` says 30 s.
#[derive(Clone, Debug)]
pub struct LoadShed(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    pressure: Pressure,
    counter: ShedCounter,
    /// From elevated, high and critical on; `None` as below.
    shares: [Option<Share>; 3],
    exempt: Vec<Exempt>,
    retry_after: Duration,
    turn: Turn,
}

#[derive(Clone, Debug)]
enum Exempt {
    Exactly(String),
    Below(String),
}

impl LoadShed {
    /// Sheds by this pressure, that of [`Agent::pressure`](highwater::Agent::pressure).
    ///
    /// An agent that has ended, or is disabled, has none: nothing is shed then.
    pub fn new(pressure: Pressure) -> Self {
        let counter = pressure.shed_counter();
        Self(Arc::new(Inner {
            pressure,
            counter,
            shares: [None, Some(Share::percent(50)), Some(Share::ALL)],
            exempt: Vec::new(),
            // What is full at critical is so for 30 s at least: that is the agent's hold before it is left.
            retry_after: Duration::from_secs(30),
            turn: Turn::default(),
        }))
    }

    /// From `level` on this share is turned away, up to the next level that has a share of its own. At [`Level::Normal`]
    /// nothing ever is.
    #[must_use]
    pub fn from_level(self, level: Level, share: Share) -> Self {
        self.with(|inner| {
            for (raised, slot) in Level::RAISED.into_iter().zip(&mut inner.shares) {
                if raised == level {
                    *slot = Some(share);
                }
            }
        })
    }

    /// Requests of exactly this path are admitted whatever the level: health, status, whatever frees memory.
    ///
    /// Paths are compared as they are sent, without their query.
    #[must_use]
    pub fn exempt(self, path: impl Into<String>) -> Self {
        self.with(|inner| inner.exempt.push(Exempt::Exactly(path.into())))
    }

    /// The same for all paths that begin so; `/admin/` does not begin `/administrator`.
    #[must_use]
    pub fn exempt_below(self, beginning: impl Into<String>) -> Self {
        self.with(|inner| inner.exempt.push(Exempt::Below(beginning.into())))
    }

    /// What `Retry-After` says, in whole seconds, rounded up. 30 s by default: the agent's own hold before critical is left,
    /// so that who comes back earlier finds nothing changed. Where only a share is turned away, less may do.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        self.with(|inner| inner.retry_after = time)
    }

    /// Whether a request of `path` is admitted; one that is not was counted.
    ///
    /// # Errors
    ///
    /// Where it is turned away, with what there is to say.
    #[inline]
    pub fn admit(&self, path: &str) -> Result<(), Refused> {
        match self.0.pressure.level() {
            Level::Normal => Ok(()),
            level => self.admit_at(level, path),
        }
    }

    #[cold]
    fn admit_at(&self, level: Level, path: &str) -> Result<(), Refused> {
        if !self.0.turns_away(level, path) {
            return Ok(());
        }
        self.0.counter.count(level);
        Err(Refused { level, retry_after: self.0.retry_after })
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Inner {
    fn turns_away(&self, level: Level, path: &str) -> bool {
        let reached = Level::RAISED.into_iter().zip(self.shares).filter(|(raised, _)| *raised <= level);
        let share = reached.filter_map(|(_, share)| share).next_back().unwrap_or(Share::NONE);
        share != Share::NONE && !self.is_exempt(path) && (share == Share::ALL || self.turn.turns_away(share))
    }

    fn is_exempt(&self, path: &str) -> bool {
        self.exempt.iter().any(|exempt| match exempt {
            Exempt::Exactly(exact) => path == exact,
            Exempt::Below(beginning) => path.starts_with(beginning.as_str()),
        })
    }
}

/// A share of the requests, in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u8);

impl Share {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(100);

    /// So many of a hundred; more than that are all.
    pub const fn percent(percent: u8) -> Self {
        if percent < 100 { Self(percent) } else { Self::ALL }
    }
}

/// Whose turn it is: requests are counted while a share of them is turned away.
#[derive(Debug, Default)]
struct Turn(AtomicU32);

impl Turn {
    /// Whether the next request is one of the share. Where the count begins anew after four billion, a hundred may have one
    /// more or less.
    fn turns_away(&self, Share(share): Share) -> bool {
        let turn = self.0.fetch_add(1, Ordering::Relaxed).rem_euclid(100);
        // How many of so many requests are turned away in all.
        let of = |requests: u32| requests.saturating_mul(u32::from(share)).div_euclid(100);
        of(turn.saturating_add(1)) > of(turn)
    }
}

impl Clone for Turn {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The level at which it was.
    pub level: Level,
    /// When to come back.
    pub retry_after: Duration,
}

impl Refused {
    /// The body of the answer.
    pub const BODY: &'static str = "short of memory: try again later\n";

    /// The value of `Retry-After`: whole seconds, rounded up.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs().saturating_add(u64::from(self.retry_after.subsec_nanos() > 0))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turned away at level {}: come back in {} s", self.level, self.retry_after_seconds())
    }
}

impl Error for Refused {}

#[cfg(test)]
mod tests;
