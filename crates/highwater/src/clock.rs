//! The one room with a clock.
//!
//! Judgement runs on monotonic time since the agent's start; wall-clock time is only in what is sent. A moment is turned
//! into wall-clock time by its distance from now, so that a step of the system's clock moves what is sent from then on and
//! no duration.
//!
//! Monotonic time stands still while a machine sleeps: what the process did not live through is in no hold, no age and no
//! duration, and the gap shows between the dates of two events. Where a process alone is frozen, its time goes on.

use std::time::{Instant, SystemTime};

use highwater_model::SinceStart;

/// Monotonic time since the agent's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> SinceStart {
        SinceStart::new(self.start.elapsed())
    }

    /// The wall-clock time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    pub(crate) fn date() -> SystemTime {
        SystemTime::now()
    }

    /// The wall-clock time of a moment in the past.
    pub(crate) fn wall(&self, moment: SinceStart) -> SystemTime {
        date_of(moment, self.now(), Self::date())
    }
}

/// The wall-clock time of `moment`, where it is `date` now. A clock so far before 1970 that it has no earlier date gives
/// its own.
fn date_of(moment: SinceStart, now: SinceStart, date: SystemTime) -> SystemTime {
    date.checked_sub(now.since(moment)).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn date(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const fn at(seconds: u64) -> SinceStart {
        SinceStart::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_steps_moves_the_dates_of_what_is_told_from_then_on() {
        assert_eq!(date_of(at(10), at(10), date(1_000)), date(1_000));
        // Set right by an hour, then wrong by a year.
        assert_eq!(date_of(at(19), at(20), date(1_010 + 3_600)), date(1_009 + 3_600));
        assert_eq!(date_of(at(30), at(30), date(0)), date(0));
    }

    #[test]
    fn a_moment_after_a_sleep_has_the_date_after_it() {
        // Eight hours of sleep lie between two monotonic seconds.
        assert_eq!(date_of(at(10), at(10), date(1_000)), date(1_000));
        assert_eq!(date_of(at(11), at(11), date(1_001 + 8 * 3_600)), date(1_001 + 8 * 3_600));
    }

    proptest! {
        #[test]
        fn two_moments_told_at_once_are_as_far_apart_as_they_were(
            first in 0_u64..1 << 40, apart in 0_u64..1 << 20, since in 0_u64..1 << 20, today in 1_u64 << 41..1 << 42,
        ) {
            let (first, second) = (at(first), at(first + apart));
            let now = second.after(Duration::from_secs(since));
            let dates = [first, second].map(|moment| date_of(moment, now, date(today)));
            prop_assert_eq!(dates[1].duration_since(dates[0]).ok(), Some(second.since(first)));
        }

        #[test]
        fn no_clock_is_too_wrong(moment in any::<u64>(), now in any::<u64>(), today in any::<u32>()) {
            let today = date(u64::from(today));
            let told = date_of(at(moment), at(now), today);
            prop_assert!(told <= today, "what was told is not in the future of its own clock");
        }
    }
}
