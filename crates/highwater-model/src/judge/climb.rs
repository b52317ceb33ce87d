//! How fast use climbs, where it climbs at all.
//!
//! One rise is a step: a cache was filled, and that was that. Two rises in a row are a climb, as fast as the slower of them.
//! Samples come 5 ms to 10 s apart, so that neither may be taken for more than it is: two rises that took very different
//! times do not speak of the same climb, and a climb is believed only so far ahead as it was watched.

use core::time::Duration;

use crate::rise::Rise;
use crate::{Bytes, SinceStart};

/// Of two rises in a row each takes at least this part of the other's time. Samples of one climb differ by about so much,
/// where a suspicion brings one forward; the noise of 5 ms beside the step of a second differs by far more.
const ALIKE: u32 = 8;
/// So many times as far ahead as it was watched a climb is believed: two rises of a second each reach over the longest
/// default hold, two of 5 ms each over 160 ms.
const REACH: u32 = 16;

/// The last two rises.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Climb {
    last: Option<(SinceStart, Bytes)>,
    rises: [Option<Rise>; 2],
}

impl Climb {
    /// Takes one sample into account.
    pub(super) fn observe(&mut self, at: SinceStart, used: Bytes) {
        let rise = self.last.replace((at, used)).and_then(|before| Rise::between(before, (at, used)));
        let [_, latest] = self.rises;
        self.rises = [latest.filter(|_| rise.is_some()), rise];
    }

    /// Whether it goes on over the distance `left` within `time`, as far as it can be believed.
    pub(super) fn covers(&self, left: Bytes, time: Duration) -> bool {
        let [Some(first), Some(second)] = self.rises else { return false };
        let alike = |one: Rise, other: Rise| one.took.saturating_mul(ALIKE) >= other.took;
        let believed = first.took.saturating_add(second.took).saturating_mul(REACH).min(time);
        alike(first, second)
            && alike(second, first)
            && first.time_over(left) <= believed
            && second.time_over(left) <= believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climb(samples: &[(u64, u64)]) -> Climb {
        let mut climb = Climb::default();
        for (millis, used) in samples {
            climb.observe(SinceStart::new(Duration::from_millis(*millis)), Bytes::new(*used));
        }
        climb
    }

    fn covers(samples: &[(u64, u64)], left: u64, millis: u64) -> bool {
        climb(samples).covers(Bytes::new(left), Duration::from_millis(millis))
    }

    #[test]
    fn two_rises_in_a_row_are_a_climb_as_fast_as_the_slower() {
        let samples = [(0, 100), (1_000, 110), (2_000, 130)];
        assert!(covers(&samples, 50, 5_000));
        assert!(!covers(&samples, 51, 5_000));
        let slower = [(0, 100), (1_000, 120), (2_000, 130)];
        assert!(covers(&slower, 50, 5_000));
        assert!(!covers(&slower, 51, 5_000));
    }

    #[test]
    fn a_step_is_no_climb() {
        assert!(!covers(&[(0, 100), (1_000, 760)], 1, 30_000), "one jump");
        assert!(!covers(&[(0, 100), (1_000, 760), (2_000, 760)], 1, 30_000), "that stays");
        assert!(!covers(&[(0, 100), (1_000, 760), (2_000, 761)], 90, 30_000), "but for noise");
        assert!(!covers(&[(0, 100), (1_000, 110), (2_000, 105), (3_000, 120)], 1, 30_000), "after a fall");
    }

    #[test]
    fn samples_of_one_moment_are_no_climb() {
        assert!(!covers(&[(0, 100), (0, 200), (0, 300)], 0, 30_000));
        assert!(!covers(&[(0, 100), (1_000, 200), (1_000, 300)], 0, 30_000));
    }

    #[test]
    fn rises_that_took_very_different_times_are_no_climb() {
        assert!(covers(&[(0, 100), (80, 180), (90, 190)], 10, 30_000), "an eighth of the time");
        assert!(!covers(&[(0, 100), (81, 181), (91, 191)], 10, 30_000), "less, the later");
        assert!(covers(&[(0, 100), (10, 110), (90, 190)], 10, 30_000), "an eighth, the earlier");
        assert!(!covers(&[(0, 100), (10, 110), (91, 191)], 10, 30_000), "less, the earlier");
    }

    #[test]
    fn a_climb_is_believed_as_far_ahead_as_it_was_watched() {
        let watched_for_10_ms = [(0, 100), (5, 105), (10, 110)];
        assert!(covers(&watched_for_10_ms, 160, 30_000));
        assert!(!covers(&watched_for_10_ms, 161, 30_000));
    }

    #[test]
    fn numbers_as_large_as_they_get_are_no_trouble() {
        let mut climb = Climb::default();
        for (at, used) in [(0, 0), (u64::MAX / 2, 1), (u64::MAX, 2)] {
            climb.observe(SinceStart::from_secs(at), Bytes::new(used));
        }
        assert!(!climb.covers(Bytes::new(u64::MAX), Duration::from_secs(u64::MAX)));
    }
}
