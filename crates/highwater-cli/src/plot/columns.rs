//! The rows, reduced as they come to columns of equal time, without knowing how long the trace will be.
//!
//! The columns begin narrow. Where a row lies beyond the last one, each two neighbours become one of twice the width.

use std::time::Duration;

use highwater::model::SinceStart;
use highwater::{Bytes, Sample};

/// The most columns: two for each pixel of the picture's width, so that at least one is left after they were joined.
const MOST: usize = 2048;
/// The first width.
const NARROWEST: Duration = Duration::from_millis(1);

/// So many times the usual distance between two rows is a gap in the trace.
const GAP: f64 = 20.0;

/// All columns.
#[derive(Debug)]
pub(crate) struct Columns {
    first: Option<SinceStart>,
    width: Duration,
    columns: Vec<Column>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { first: None, width: NARROWEST, columns: Vec::new() }
    }
}

/// What was seen in the time of one column.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Column {
    /// Whether there was a row at all.
    seen: bool,
    used: Option<Extent>,
    rss: Option<Extent>,
    limit: Option<Bytes>,
}

/// The lowest and the highest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) low: Bytes,
    pub(crate) high: Bytes,
}

/// An extent at a moment in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) seconds: f64,
    pub(crate) extent: Extent,
}

/// A time with one limit, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) limit: Option<Bytes>,
}

impl Columns {
    /// Takes one sample into its column. Samples come in the order of time.
    pub(crate) fn add(&mut self, sample: &Sample) {
        let first = *self.first.get_or_insert(sample.at);
        let since = sample.at.since(first);
        let index = loop {
            let index = since.as_nanos().checked_div(self.width.as_nanos()).unwrap_or_default();
            match usize::try_from(index) {
                Ok(index) if index < MOST => break index,
                _ => self.join_neighbours(),
            }
        };
        if self.columns.len() <= index {
            self.columns.resize_with(index.saturating_add(1), Column::default);
        }
        let Some(column) = self.columns.get_mut(index) else { return };
        let one = |bytes| Extent { low: bytes, high: bytes };
        let limit = sample.limit.map(|limit| limit.bytes);
        let new = Column { seen: true, used: sample.used.map(one), rss: sample.process.rss.map(one), limit };
        *column = column.and(new);
    }

    /// The lines of what was used; a line ends where that is not known, and where the trace has a gap.
    pub(crate) fn used(&self) -> Vec<Vec<Point>> {
        self.lines(|column| column.used)
    }

    /// The lines of the resident set.
    pub(crate) fn rss(&self) -> Vec<Vec<Point>> {
        self.lines(|column| column.rss)
    }

    /// The limits, one after the other.
    pub(crate) fn limits(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (seconds, column) in self.seen() {
            match runs.last_mut() {
                Some(run) => {
                    run.to = seconds;
                    if run.limit != column.limit {
                        runs.push(Run { from: seconds, to: seconds, limit: column.limit });
                    }
                }
                None => runs.push(Run { from: seconds, to: seconds, limit: column.limit }),
            }
        }
        runs
    }

    fn lines(&self, of: fn(&Column) -> Option<Extent>) -> Vec<Vec<Point>> {
        let mut lines: Vec<Vec<Point>> = vec![Vec::new()];
        let usual = self.columns.len() as f64 / self.seen().count().max(1) as f64 * self.width.as_secs_f64();
        for (seconds, column) in self.seen() {
            let before = lines.last().and_then(|line| line.last()).map(|point| point.seconds);
            if before.is_some_and(|before| seconds - before > GAP * usual) {
                lines.push(Vec::new());
            }
            match (of(column), lines.last_mut()) {
                (Some(extent), Some(line)) => line.push(Point { seconds, extent }),
                (None, Some(line)) if !line.is_empty() => lines.push(Vec::new()),
                _ => {}
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// The columns with a row, each with the moment of its middle, of the narrowest with its own.
    fn seen(&self) -> impl Iterator<Item = (f64, &Column)> {
        let first = self.first.unwrap_or_default().elapsed().as_secs_f64();
        let width = self.width.as_secs_f64();
        let middle = if self.width > NARROWEST { 0.5 } else { 0.0 };
        let columns = self.columns.iter().enumerate().filter(|(_, column)| column.seen);
        columns.map(move |(index, column)| (first + (index as f64 + middle) * width, column))
    }

    fn join_neighbours(&mut self) {
        let joined = |pair: &[Column]| pair.iter().copied().reduce(Column::and).unwrap_or_default();
        self.columns = self.columns.chunks(2).map(joined).collect();
        self.width = self.width.saturating_mul(2);
    }
}

impl Column {
    /// This column and a later one.
    fn and(self, later: Self) -> Self {
        let limit = if later.seen { later.limit } else { self.limit };
        Self {
            seen: self.seen || later.seen,
            used: Extent::of(self.used, later.used),
            rss: Extent::of(self.rss, later.rss),
            limit,
        }
    }
}

impl Extent {
    fn of(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let both = [one, other].into_iter().flatten();
        both.reduce(|one, other| Self { low: one.low.min(other.low), high: one.high.max(other.high) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: u64, used: Option<u64>) -> Sample {
        let at = SinceStart::new(Duration::from_millis(millis));
        Sample { at, used: used.map(Bytes::new), ..Sample::default() }
    }

    #[test]
    fn a_spike_of_one_second_stays_visible_in_a_day() {
        let mut columns = Columns::default();
        for second in 0..86_400 {
            let used = match second {
                40_000 => 900,
                50_000 => 1,
                _ => 100,
            };
            columns.add(&sample(second * 1000, Some(used)));
        }
        assert!(columns.columns.len() <= MOST && columns.columns.len() > MOST / 2, "{}", columns.columns.len());
        let [line] = &columns.used()[..] else { panic!("one line") };
        let at = |near: f64| line.iter().find(|point| (point.seconds - near).abs() < 60.0).unwrap();
        assert!(
            line.iter().any(|point| point.extent.high == Bytes::new(900) && (point.seconds - 40_000.0).abs() < 60.0)
        );
        assert!(line.iter().any(|point| point.extent.low == Bytes::new(1) && (point.seconds - 50_000.0).abs() < 60.0));
        assert_eq!(at(20_000.0).extent, Extent { low: Bytes::new(100), high: Bytes::new(100) });
    }

    #[test]
    fn a_line_ends_where_use_is_unknown() {
        let mut columns = Columns::default();
        for (second, used) in [(0, Some(1)), (1, Some(2)), (2, None), (3, None), (4, Some(3))] {
            columns.add(&sample(second * 1000, used));
        }
        assert_eq!(columns.used().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn any_span_of_time_fits() {
        let mut columns = Columns::default();
        for at in [0, 1, u64::MAX / 2, u64::MAX] {
            columns.add(&sample(at, Some(at)));
        }
        assert!(columns.columns.len() <= MOST);
        assert_eq!(columns.used().iter().flatten().map(|point| point.extent.high).max(), Some(Bytes::new(u64::MAX)));
    }
}
