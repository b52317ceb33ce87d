//! When the limit is reached: a range, or nothing.
//!
//! The limit is met by peaks, so the trend is that of the highest use of each slice. Its slope is the median of the slopes
//! between any two slices (Theil-Sen), which a few odd ones cannot bend; how sure it is follows from how many pairs would
//! have to be wrong (Kendall). Where a slope of nothing cannot be excluded, there is no forecast: a date that moves with
//! every sample helps nobody.

use core::time::Duration;

use crate::Bytes;
use crate::growth::SLICES;

/// When use reaches the limit, if it goes on as it does, counted from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forecast {
    /// Not before: the steepest slope that the trend leaves open and 40 % more, from the highest point.
    pub earliest: Duration,
    /// Most likely.
    pub likely: Duration,
    /// By then: the flattest slope that the trend leaves open less 20 %, from the lowest point.
    pub latest: Duration,
}

/// A slice of time, and the one that goes on.
const POINTS: usize = SLICES + 1;
/// Of any two points.
const PAIRS: usize = POINTS * SLICES / 2;
/// Fewer points say nothing.
const LEAST_POINTS: usize = 8;

/// What a trend leaves open is widened by what no past can tell: a leak gets faster with the load.
const FASTER: f64 = 1.4;
/// The same for one that slows down.
const SLOWER: f64 = 0.8;

/// A line through the highest use of each slice, in bytes and bytes a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trend {
    /// The flattest, the median and the steepest slope.
    slopes: [f64; 3],
    /// Where the line through the lowest, the median and the highest point is now.
    values: [f64; 3],
}

impl Trend {
    /// The trend of `points`, `apart` from one another, the last one now; `None` of too few.
    pub(crate) fn of(points: impl Iterator<Item = Option<Bytes>>, apart: Duration) -> Option<Self> {
        let mut known = [(0.0, 0.0); POINTS];
        let mut count = 0_usize;
        for (index, value) in points.enumerate() {
            if let (Some(value), Some(slot)) = (value, known.get_mut(count)) {
                *slot = (index as f64 * apart.as_secs_f64(), value.get() as f64);
                count = count.saturating_add(1);
            }
        }
        let known = known.get(..count).filter(|known| known.len() >= LEAST_POINTS)?;
        let now = known.last()?.0;

        let mut slopes = [0.0; PAIRS];
        let pairs = known.iter().enumerate().flat_map(|(index, second)| {
            known.iter().take(index).map(move |first| (second.1 - first.1) / (second.0 - first.0))
        });
        let filled = slopes.iter_mut().zip(pairs).map(|(slot, slope)| *slot = slope).count();
        let slopes = slopes.get_mut(..filled)?;
        slopes.sort_unstable_by(f64::total_cmp);
        let doubt = doubt(count);
        let middle = filled / 2;
        let ranks = [filled.saturating_sub(doubt) / 2, middle, filled.saturating_add(doubt).div_ceil(2)];
        let slopes = ranks.map(|rank| slopes.get(rank).or(slopes.last()).copied().unwrap_or_default());

        let [_, slope, _] = slopes;
        let mut values = [0.0; POINTS];
        for (slot, (at, value)) in values.iter_mut().zip(known) {
            *slot = value + slope * (now - at);
        }
        let values = values.get_mut(..count)?;
        values.sort_unstable_by(f64::total_cmp);
        let values =
            [values.first(), values.get(count / 2), values.last()].map(|value| value.copied().unwrap_or_default());
        Some(Self { slopes, values })
    }

    /// The median slope; `None` where it may go the other way.
    pub(crate) fn slope(&self) -> Option<f64> {
        let [flattest, slope, steepest] = self.slopes;
        (flattest > 0.0 || steepest < 0.0).then_some(slope)
    }

    /// When the line meets `limit`; `None` where it may not rise at all.
    pub(crate) fn forecast(&self, limit: Bytes) -> Option<Forecast> {
        let ([flattest, slope, steepest], [lowest, middle, highest]) = (self.slopes, self.values);
        if flattest <= 0.0 {
            return None;
        }
        let limit = limit.get() as f64;
        let after = |value: f64, slope: f64| {
            Duration::try_from_secs_f64(((limit - value) / slope).max(0.0)).unwrap_or(Duration::MAX)
        };
        let likely = after(0.7 * highest + 0.3 * middle, slope);
        let earliest = after(highest, steepest * FASTER).min(likely);
        let latest = after(lowest, flattest * SLOWER).max(likely);
        Some(Forecast { earliest, likely, latest })
    }
}

/// By how many pairs Kendall's statistic of so many points without any trend differs from 0, twice its standard deviation:
/// a slope beyond is no chance, 98 times of a hundred.
fn doubt(points: usize) -> usize {
    let pairs_and_more =
        points.saturating_mul(points.saturating_sub(1)).saturating_mul(points.saturating_mul(2).saturating_add(5));
    pairs_and_more.saturating_mul(4).div_ceil(18).isqrt()
}

#[cfg(test)]
mod tests;
