//! The highest use of the trailing minute.
//!
//! A gauge that is read every ten seconds misses the spike between two readings; the peak does not. It falls by itself, so
//! that several readers can look without resetting it for one another.

use core::time::Duration;

use crate::{Bytes, SinceStart};

/// How finely the window is divided: the peak falls at most a thirtieth of the window too late.
const BUCKETS: u8 = 30;

/// The highest value of a trailing window of time, in constant space.
#[derive(Clone, Copy, Debug)]
pub struct TrailingPeak {
    width: Duration,
    /// The highest value of each slice of the window, with the number of the slice.
    buckets: [(u64, Bytes); BUCKETS as usize],
}

impl TrailingPeak {
    /// The shortest window: readers rarely come less often than every minute.
    pub const SHORTEST: Duration = Duration::from_secs(60);

    /// A peak over `window`, at least a minute.
    pub fn new(window: Duration) -> Self {
        let width = window.max(Self::SHORTEST).div_f64(f64::from(BUCKETS));
        Self { width, buckets: [(u64::MAX, Bytes::ZERO); BUCKETS as usize] }
    }

    /// Takes one value into account.
    pub fn record(&mut self, at: SinceStart, value: Bytes) {
        let slice = self.slice(at);
        let index = slice.checked_rem(u64::from(BUCKETS)).unwrap_or_default();
        let Some(bucket) = self.buckets.get_mut(index as usize) else { return };
        *bucket = (slice, if bucket.0 == slice { bucket.1.max(value) } else { value });
    }

    /// The highest value of the window that ends at `at`; `None` where nothing was recorded in it.
    pub fn at(&self, at: SinceStart) -> Option<Bytes> {
        let newest = self.slice(at);
        let oldest = newest.saturating_sub(u64::from(BUCKETS.saturating_sub(1)));
        self.buckets.iter().filter(|(slice, _)| (oldest..=newest).contains(slice)).map(|(_, value)| *value).max()
    }

    fn slice(&self, at: SinceStart) -> u64 {
        let slice = at.elapsed().as_nanos().checked_div(self.width.as_nanos()).unwrap_or_default();
        u64::try_from(slice).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SinceStart {
        SinceStart::from_secs(seconds)
    }

    #[test]
    fn a_spike_stays_for_the_window_and_then_falls() {
        let mut peak = TrailingPeak::new(Duration::from_secs(60));
        peak.record(at(1), Bytes::mib(900));
        for second in 2..=200 {
            peak.record(at(second), Bytes::mib(100));
            let expected = if second < 60 { 900 } else { 100 };
            assert_eq!(peak.at(at(second)), Some(Bytes::mib(expected)), "{second} s");
        }
    }

    #[test]
    fn reading_does_not_reset_it() {
        let mut peak = TrailingPeak::new(Duration::from_secs(60));
        peak.record(at(1), Bytes::mib(9));
        assert_eq!(peak.at(at(2)), peak.at(at(2)));
    }

    #[test]
    fn it_is_unknown_before_the_first_value_and_after_a_silent_window() {
        let mut peak = TrailingPeak::new(Duration::from_secs(60));
        assert_eq!(peak.at(at(0)), None);
        peak.record(at(0), Bytes::mib(1));
        assert_eq!(peak.at(at(0)), Some(Bytes::mib(1)));
        assert_eq!(peak.at(at(600)), None);
    }
}
