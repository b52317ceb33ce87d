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

    /// It has run until `at`, and was `effective` or not; where nobody can tell, the pause stays what it was. Returns how
    /// long it rests.
    pub(super) fn acted(&mut self, at: SinceStart, effective: Option<bool>) -> Duration {
        self.pause = match effective {
            Some(true) => SHORTEST,
            Some(false) => self.pause.saturating_mul(2).min(LONGEST),
            None => self.pause,
        };
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
        assert_eq!([(); 6].map(|()| rests(Some(false))), [20, 40, 80, 160, 300, 300]);
        let later = [true, true, false].map(|effective| rests(Some(effective)));
        assert_eq!(later, [10, 10, 20], "one that helps is forgiven all that was before");
        assert_eq!([None, Some(false), None].map(rests), [20, 40, 40], "of what is unknown nothing is learned");
    }

    #[test]
    fn the_rest_begins_when_the_action_is_over() {
        let mut pace = Pace::default();
        pace.acted(SinceStart::from_secs(100), Some(true));
        assert_eq!(pace.next(), SinceStart::from_secs(110));
    }
}
