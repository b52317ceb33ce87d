//! How often something happened lately.

use core::time::Duration;

use crate::SinceStart;

/// The last few times that something happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent([Option<SinceStart>; Self::KEPT]);

impl Recent {
    const KEPT: usize = 9;

    /// Notes that it happens, and returns whether that makes it `often` times within `time`; of more than ten times, ten.
    pub(super) fn note(&mut self, at: SinceStart, often: u8, time: Duration) -> bool {
        let before = self.0.iter().flatten().filter(|then| at.since(**then) < time).count();
        self.0.rotate_right(1);
        if let Some(first) = self.0.first_mut() {
            *first = Some(at);
        }
        before >= usize::from(often.saturating_sub(1)).min(Self::KEPT)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// After which of the moments it had happened `often` times within a minute.
    fn often(often: u8, seconds: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut recent = Recent::default();
        let minute = Duration::from_secs(60);
        seconds.into_iter().filter(|second| recent.note(SinceStart::from_secs(*second), often, minute)).collect()
    }

    #[test]
    fn the_count_is_of_the_time_before_each_moment() {
        assert_eq!(often(3, [0, 30, 59, 100, 130, 200]), [59]);
        assert_eq!(often(3, [0, 30, 60, 89]), [89]);
        assert_eq!(often(1, [0, 100]), [0, 100]);
    }

    #[test]
    fn more_than_ten_times_are_ten() {
        assert_eq!(often(10, 0..12), [9, 10, 11]);
        assert_eq!(often(200, 0..12), [9, 10, 11]);
    }
}
