//! What was: a row a second for the last 15 minutes, before that one every 10 seconds up to 6 hours back.
//!
//! Both rings are reserved once and never grow. Of ten seconds the row of the highest use stays, whole, so that a peak is
//! seen for six hours and the parts of a row still add up; the stalls of a row are those of its whole ten seconds.
//!
//! Rows have the agent's monotonic time. They get their dates when they are shown, so that a step of the system's clock moves
//! all of them and puts none before another.

use std::collections::VecDeque;
use std::time::Duration;

use highwater::{Bytes, Level, Sample};

use crate::json::{Json, Millis};
use crate::parts::Parts;

/// Rows a second apart: 15 minutes.
const FINE: usize = 900;
/// Rows ten seconds apart: the 5 hours and 45 minutes before.
const COARSE: usize = 2_070;
/// How many seconds of the first are one row of the second.
const MERGED: u32 = 10;

/// The columns that are bytes, by their names on the wire.
const AMOUNTS: [&str; 15] = [
    "used",
    "limit",
    "rss",
    "allocated",
    "resident",
    "external",
    "part_heap",
    "part_allocator",
    "part_external",
    "part_anon",
    "part_file",
    "part_shmem",
    "part_kernel",
    "part_others",
    "whole",
];

/// What one sample says, packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Milliseconds since the agent's start.
    at: u64,
    amounts: [Amount; AMOUNTS.len()],
    /// The share of the time since the row before for which some, and all, tasks were stalled on memory.
    stalls: [Option<f32>; 2],
    level: Level,
}

/// An amount that may be unknown, in eight bytes. No machine has the amount that stands for that.
#[derive(Clone, Copy, Debug)]
struct Amount(u64);

impl Amount {
    fn of(amount: Option<Bytes>) -> Self {
        Self(amount.map_or(u64::MAX, Bytes::get))
    }

    fn get(self) -> Option<u64> {
        (self.0 != u64::MAX).then_some(self.0)
    }
}

/// Running totals of the time for which some, and all, tasks were stalled.
type Stalled = [Option<Duration>; 2];

impl Row {
    /// The row of a sample; `before` is when the last one was taken, and what was stalled by then.
    pub(crate) fn of(sample: &Sample, level: Level, before: Option<(Duration, Stalled)>) -> Self {
        let parts = Parts::of(sample);
        let allocator = sample.allocator;
        let [heap, of_allocator, external, anon, file, shmem, kernel, others] = parts.each();
        let amounts = [
            sample.used,
            sample.limit.map(|limit| limit.bytes),
            sample.process.rss,
            allocator.map(|allocator| allocator.allocated),
            allocator.map(|allocator| allocator.resident),
            Some(sample.external),
            heap,
            of_allocator,
            external,
            anon,
            file,
            shmem,
            kernel,
            others,
            parts.whole,
        ];
        let at = sample.at.elapsed();
        let share = |index: usize| {
            let (then, totals) = before?;
            let (total, before) = (stalled(sample).get(index).copied()??, totals.get(index).copied()??);
            let time = at.checked_sub(then).filter(|time| !time.is_zero())?;
            // A total that went back is another cgroup's.
            let share = total.checked_sub(before)?.as_secs_f64() / time.as_secs_f64();
            Some(share.min(1.0) as f32)
        };
        Self {
            at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            amounts: amounts.map(Amount::of),
            stalls: [share(0), share(1)],
            level,
        }
    }

    /// When its sample was taken, since the agent's start.
    pub(crate) fn at(&self) -> Duration {
        Duration::from_millis(self.at)
    }

    fn used(&self) -> Option<u64> {
        let [used, ..] = self.amounts;
        used.get()
    }

    /// The fields of the row, with the date of the agent's start in milliseconds.
    pub(crate) fn write(&self, json: &mut Json, start: u64) {
        json.field("time", Millis(start.saturating_add(self.at)));
        for (name, amount) in AMOUNTS.into_iter().zip(self.amounts) {
            json.field(name, amount.get());
        }
        json.field("level", u64::from(self.level.number()));
        let [some, full] = self.stalls.map(|stall| stall.map(rounded));
        json.field("pressure_some", some);
        json.field("pressure_full", full);
    }
}

/// A share in steps of a ten-thousandth: more digits say nothing.
fn rounded(share: f32) -> f64 {
    (f64::from(share) * 1e4).round() / 1e4
}

/// What `sample` says of stalls so far.
pub(crate) fn stalled(sample: &Sample) -> Stalled {
    let pressure = sample.cgroup.map(|cgroup| cgroup.pressure).unwrap_or_default();
    [pressure.some, pressure.full]
}

/// All rows.
#[derive(Debug)]
pub(crate) struct History {
    fine: VecDeque<Row>,
    coarse: VecDeque<Row>,
    /// What leaves the fine rows, until it is ten seconds.
    merging: Option<(Row, u32)>,
}

impl History {
    /// The size of all rows, reserved at the start.
    pub(crate) const BYTES: usize = (FINE + COARSE) * size_of::<Row>();

    pub(crate) fn new() -> Self {
        Self { fine: VecDeque::with_capacity(FINE), coarse: VecDeque::with_capacity(COARSE), merging: None }
    }

    /// Takes the newest row; the oldest goes where there is no more room.
    pub(crate) fn push(&mut self, row: Row) {
        if self.fine.len() >= FINE
            && let Some(leaves) = self.fine.pop_front()
        {
            self.merge(leaves);
        }
        self.fine.push_back(row);
    }

    fn merge(&mut self, row: Row) {
        let (merged, count) = match self.merging.take() {
            None => (row, 1),
            Some((merged, count)) => (merged.and(row, count), count.saturating_add(1)),
        };
        if count < MERGED {
            self.merging = Some((merged, count));
            return;
        }
        if self.coarse.len() >= COARSE {
            self.coarse.pop_front();
        }
        self.coarse.push_back(merged);
    }

    /// The rows, the oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.coarse.iter().chain(self.merging.iter().map(|(row, _)| row)).chain(&self.fine)
    }

    pub(crate) fn last(&self) -> Option<&Row> {
        self.fine.back()
    }

    /// The most that was used by the last rows, over up to `time`.
    pub(crate) fn highest_used(&self, time: Duration) -> Option<Bytes> {
        let last = self.last()?;
        let recent = self.fine.iter().rev().take_while(|row| last.at().saturating_sub(row.at()) < time);
        recent.filter_map(|row| row.amounts.first().copied().and_then(Amount::get)).max().map(Bytes::new)
    }

    /// The mean of the last rows' stalls, of some and of all tasks, over up to `time`.
    pub(crate) fn stalls(&self, time: Duration) -> [Option<f64>; 2] {
        let Some(last) = self.last() else { return [None; 2] };
        let recent = self.fine.iter().rev().take_while(|row| last.at().saturating_sub(row.at()) < time);
        [0, 1].map(|index| {
            let known = recent.clone().filter_map(|row| row.stalls.get(index).copied()?);
            let (sum, count) =
                known.fold((0.0, 0_u32), |(sum, count), stall| (sum + f64::from(stall), count.saturating_add(1)));
            (count > 0).then(|| sum / f64::from(count))
        })
    }

    /// The columns, with the date of the agent's start in milliseconds.
    pub(crate) fn write(&self, json: &mut Json, start: u64) {
        let rows = self.rows();
        json.array_field("time", |json| rows.clone().for_each(|row| json.value(Millis(start.saturating_add(row.at)))));
        for (index, name) in AMOUNTS.into_iter().enumerate() {
            let amount = |row: &Row| row.amounts.get(index).copied().and_then(Amount::get);
            json.array_field(name, |json| rows.clone().for_each(|row| json.value(amount(row))));
        }
        json.array_field("level", |json| rows.clone().for_each(|row| json.value(u64::from(row.level.number()))));
        for (index, name) in ["pressure_some", "pressure_full"].into_iter().enumerate() {
            let stall = |row: &Row| row.stalls.get(index).copied().flatten().map(rounded);
            json.array_field(name, |json| rows.clone().for_each(|row| json.value(stall(row))));
        }
    }
}

impl Row {
    /// One row for this one, which stands for `count` of them, and for one that is later.
    fn and(self, later: Self, count: u32) -> Self {
        let highest = if later.used() > self.used() { later } else { self };
        let (before, all) = (f64::from(count), f64::from(count.saturating_add(1)));
        let mean = |index: usize| {
            let (mean, one) = (self.stalls.get(index).copied()??, later.stalls.get(index).copied()??);
            Some(((f64::from(mean) * before + f64::from(one)) / all) as f32)
        };
        Self { stalls: [mean(0), mean(1)], level: self.level.max(later.level), ..highest }
    }
}

#[cfg(test)]
mod tests;
