//! When an action may run again: soon where it helps, ever later where it does not.
//!
//! The rule of the OpenTelemetry Collector, which without it spent its time on collections that freed nothing: what freed
//! less than 5 % of what is used was ineffective, and the pause doubles.

use std::time::Duration;

use highwater_model::SinceStart;

/// After an action that helped: as long as jemalloc takes by default to give freed pages back by itself.
pub(super) const SHORTEST: Duration = Duration::from_secs(10);
/// However often it has not: an episode is long, and what could not be freed may be free then.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The pause of one action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pause: Duration,
    next: SinceStart,
}

impl Default for Pace {
    fn default() -> Self {
        Self { pause: SHORTEST, next: SinceStart::default() }
    }
}

impl Pace {
    /// The moment from which on it may run.
    pub(super) fn next(&self) -> SinceStart {
        self.next
    }

    /// It has run until `at`. Returns how long it rests.
    pub(super) fn acted(&mut self, at: SinceStart, effective: bool) -> Duration {
        self.pause = if effective { SHORTEST } else { self.pause.saturating_mul(2).min(LONGEST) };
        self.next = at.after(self.pause);
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_does_not_help_rests_twice_as_long_each_time_up_to_five_minutes() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(), SinceStart::default(), "the first time at once");
        let mut rests = |effective| pace.acted(SinceStart::from_secs(0), effective).as_secs();
        assert_eq!([(); 6].map(|()| rests(false)), [20, 40, 80, 160, 300, 300]);
        assert_eq!([true, true, false].map(rests), [10, 10, 20], "one that helps is forgiven all that was before");
    }

    #[test]
    fn the_rest_begins_when_the_action_is_over() {
        let mut pace = Pace::default();
        pace.acted(SinceStart::from_secs(100), true);
        assert_eq!(pace.next(), SinceStart::from_secs(110));
    }
}
