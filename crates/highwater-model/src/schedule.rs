//! When to glance next.
//!
//! Memory can go from 75 % to its limit within a tenth of a second, and stand still for weeks. So the calm get a glance in
//! 100 ms, and a climb as many as it takes: at its rate eight of them fall before the next line. How dear a glance is was
//! measured, and is an argument: it sets how often is too often.
//!
//! The rate is that from one glance to the next. Where the first rise after a calm wait began nobody has seen: it is taken
//! for a moment ago, and the next glance, soon after, knows better. A burst that pauses is not over: from one glance to the
//! next the wait at most doubles. A climb that starts from calm and reaches a line within 100 ms is seen when it has.

use core::mem;
use core::time::Duration;

use crate::rise::Rise;
use crate::{Bytes, Glance, Levels, Limit, SinceStart};

/// How long to wait from one glance to the next.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    levels: Levels,
    /// The last glance whose use was known, and what its limit was set on.
    last: Option<((SinceStart, Bytes), Option<u64>)>,
    wait: Duration,
    cost: Duration,
    climbs: bool,
}

impl Schedule {
    /// Where nothing grows.
    pub const CALM: Duration = Duration::from_millis(100);
    /// However fast it grows: 200 glances a second, with the waits between them, cost about half a hundredth of a core.
    pub const SHORTEST: Duration = Duration::from_millis(5);
    /// So many glances fall before the next line.
    pub const GLANCES: u32 = 8;
    /// However dear a glance is.
    pub const LONGEST: Duration = Duration::from_secs(1);
    /// What is read may cost this part of the time to the next reading: a thousandth of a core.
    pub const BUDGET: u32 = 1_000;
    /// The same where something is about to happen: more, but not without end.
    pub const URGENT_BUDGET: u32 = 100;

    /// A schedule of the lines of these levels.
    pub fn new(levels: Levels) -> Self {
        Self { levels, last: None, wait: Self::CALM, cost: Duration::ZERO, climbs: false }
    }

    /// The wait after this glance, where one costs so much.
    pub fn next(&mut self, glance: &Glance, cost: Duration) -> Duration {
        // A thread that lost its turn for once seems slow, too.
        let cost = mem::replace(&mut self.cost, cost).min(cost);
        let calm = cost.saturating_mul(Self::BUDGET).clamp(Self::CALM, Self::LONGEST);
        let shortest = cost.saturating_mul(Self::URGENT_BUDGET).clamp(Self::SHORTEST, Self::CALM);
        let climb = self.climb(glance);
        let due = |rise: Rise, left| rise.time_over(left).checked_div(Self::GLANCES).unwrap_or(calm);
        self.climbs = climb.is_some_and(|(rise, left)| due(rise, left) < Self::CALM);
        let from_calm = self.wait >= Self::CALM;
        let due = climb.map_or(calm, |(rise, left)| match from_calm {
            true => due(rise.within(Self::SHORTEST), left),
            false => due(rise, left),
        });
        self.wait = due.min(self.wait.saturating_mul(2)).clamp(shortest, calm);
        self.wait
    }

    /// Whether use climbed to the last glance so fast that it is to be followed more closely than the calm. Then a full
    /// sample is worth what it costs: only from samples it is known how steep a climb is, and the next that is due may come
    /// after its end.
    pub fn sees_climb(&self) -> bool {
        self.climbs
    }

    /// The rise to this glance, and what is left to the next line. `None` where use does not rise, or there is no line above
    /// it.
    fn climb(&mut self, glance: &Glance) -> Option<(Rise, Bytes)> {
        let scope = glance.limit.map(|limit: Limit| limit.scope);
        let now = glance.used.map(|used| (glance.at, used));
        let last = mem::replace(&mut self.last, now.map(|now| (now, scope)));
        let (now, (before, _)) = (now?, last.filter(|(_, before)| *before == scope)?);
        let rise = Rise::between(before, now)?;
        let limit = glance.limit.map(|limit| limit.bytes);
        let lines = self.levels.lines(limit).into_iter().flatten().map(|line| line.enter).chain(limit);
        let next = lines.filter(|line| *line > now.1).min()?;
        Some((rise, next.saturating_sub(now.1)))
    }
}

#[cfg(test)]
mod tests;
