//! One window: the floor of use over so long, and whether it rises.

use core::time::Duration;

use super::Pace;
use crate::cause::{Cause, Parts};
use crate::forecast::Trend;
use crate::{Bytes, Limit, SinceStart, TrailingPeak};

/// In how many slices a window is divided.
pub(crate) const SLICES: usize = 24;

/// A quarter of a window: what is compared at both ends, so that no single slice decides.
const QUARTER: usize = SLICES / 4;

/// How much of the room the rise must cover.
const COVERS: f64 = 1.15;

/// How far the floor may run above the straight line, as a share of the rise: more is slowing down.
///
/// This and what follows was chosen on one half of the generated shapes and is scored on the other: `docs/judgement.md`.
const ABOVE: f64 = 0.1;

/// How far it may run below: more is growth that began late in the span.
const BELOW: f64 = 0.3;

/// The share of the rise that one slice may bring: more is a step.
const JUMP: f64 = 0.3;

/// The share of the rise that must lie above all that was held before.
const NEW: f64 = 0.6;

/// The least rise, as a share of the limit: what noise and the filling of caches make.
const LEAST_RISE: f64 = 0.06;

/// The same without a limit: a small process that takes a little more than it had is no matter.
const LEAST_WITHOUT_LIMIT: Bytes = Bytes::mib(32);

/// What differs between the windows.
#[derive(Clone, Copy, Debug)]
struct Demand {
    /// The shortest span that is looked at, in slices. Of the slow window a third: from there on the fast one looks.
    shortest: usize,
    /// How many slices in a row must agree: what is over within minutes is no growth.
    agreeing: u8,
    /// What stands for the room where there is no limit, as a share of what was held at the beginning of the window.
    room_without_limit: f64,
}

impl Demand {
    const fn of(pace: Pace) -> Self {
        match pace {
            Pace::Slow => Self { shortest: 8, agreeing: 1, room_without_limit: 0.5 },
            Pace::Fast => Self { shortest: 16, agreeing: 3, room_without_limit: 1.0 },
            Pace::Ramp => Self { shortest: 18, agreeing: 5, room_without_limit: 2.0 },
        }
    }
}

/// Below this share of the limit there is room enough for whatever grows. Under the first level, so that growth is heard of
/// before it, and above what most services settle at.
const LOWEST: f64 = 0.72;

/// The lowest and the highest use of one slice of time.
#[derive(Clone, Copy, Debug)]
struct Slice {
    low: Bytes,
    high: Bytes,
    /// The least amount of each part.
    parts: Parts,
    /// Whether the process had warmed up.
    is_warm: bool,
}

/// A steady rise of the floor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rise {
    pub(super) from: Bytes,
    pub(super) to: Bytes,
    pub(super) span: Duration,
    pub(super) cause: Cause,
}

impl Rise {
    /// Bytes a second.
    pub(super) fn slope(&self) -> f64 {
        self.grown() as f64 / self.span.as_secs_f64()
    }

    /// Where half of it is given back.
    pub(super) fn half(&self) -> Bytes {
        self.from.saturating_add(Bytes::new(self.grown() / 2))
    }

    fn grown(&self) -> u64 {
        self.to.saturating_sub(self.from).get()
    }
}

/// What became of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    GoesOn,
    /// A span as long brought less than a quarter of it.
    Stopped,
    /// Half of it was given back.
    GivenBack,
}

/// What happened over one length of time, in slices.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pace: Pace,
    demand: Demand,
    width: Duration,
    /// The slices that are over, oldest first. One without a sample is `None`.
    slices: [Option<Slice>; SLICES],
    /// The slice that goes on, and its number since the start of time.
    present: Option<(u64, Slice)>,
    /// How many slices without a sample lie between the newest and the present one.
    empty: u64,
    /// The highest low of the slices that were left behind, for so long as it matters.
    behind: TrailingPeak,
    memory: Duration,
    agreed: u8,
}

impl Window {
    /// A slice is no shorter than this.
    const FINEST: Duration = Duration::from_millis(1);
    /// And no longer.
    const COARSEST: Duration = Duration::from_secs(1 << 30);

    /// A window that remembers for so long what was held before it.
    pub(super) fn new(pace: Pace, length: Duration, memory: Duration) -> Self {
        let width = length.checked_div(SLICES as u32).unwrap_or_default().clamp(Self::FINEST, Self::COARSEST);
        Self {
            pace,
            demand: Demand::of(pace),
            width,
            slices: [None; SLICES],
            present: None,
            empty: 0,
            behind: TrailingPeak::new(memory),
            memory,
            agreed: 0,
        }
    }

    pub(super) const fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn length(&self) -> Duration {
        self.width.saturating_mul(SLICES as u32)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.pace, self.length(), self.memory);
    }

    /// Takes one sample into account. Returns whether a slice was completed by it.
    pub(super) fn observe(&mut self, at: SinceStart, used: Bytes, parts: Parts, is_warm: bool) -> bool {
        let number = at.elapsed().as_nanos().checked_div(self.width.as_nanos()).unwrap_or_default();
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        if let Some((present, slice)) = &mut self.present
            && *present >= number
        {
            slice.low = slice.low.min(used);
            slice.high = slice.high.max(used);
            slice.parts = slice.parts.least(&parts);
            return false;
        }
        let begun = (number, Slice { low: used, high: used, parts, is_warm });
        let Some((completed, slice)) = self.present.replace(begun) else { return false };
        (0..self.empty).for_each(|_| self.push(at, None));
        self.push(at, Some(slice));
        self.empty = number.saturating_sub(completed).saturating_sub(1).min(SLICES as u64);
        true
    }

    fn push(&mut self, at: SinceStart, slice: Option<Slice>) {
        self.slices.rotate_left(1);
        if let Some(newest) = self.slices.last_mut()
            && let Some(oldest) = core::mem::replace(newest, slice).filter(|slice| slice.is_warm)
        {
            self.behind.record(at, oldest.low);
        }
    }

    /// The rise of the longest steady span, where enough slices in a row agree that there is one.
    pub(super) fn growing(&mut self, at: SinceStart, limit: Option<Limit>) -> Option<Rise> {
        // A limit of nothing leaves no room to speak of: it is as good as none.
        let limit = limit.map(|limit| limit.bytes).filter(|limit| *limit > Bytes::ZERO);
        let rise = self.rise(at, limit);
        self.agreed = if rise.is_some() { self.agreed.saturating_add(1) } else { 0 };
        rise.filter(|_| self.agreed >= self.demand.agreeing)
    }

    /// What became of the growth that was told as `rise` so long ago.
    pub(super) fn follow(&self, rise: &Rise, since: Duration) -> Since {
        let Some(newest) = self.slices.last().copied().flatten() else { return Since::GoesOn };
        if newest.low < rise.half() {
            return Since::GivenBack;
        }
        let back = rise.span.as_nanos().checked_div(self.width.as_nanos()).unwrap_or_default();
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        let then = self.slices.iter().rev().nth(back).copied().flatten();
        let has_stopped = |then: Slice| newest.low.saturating_sub(then.low).get() < rise.grown() / 4;
        if since >= rise.span && then.is_some_and(has_stopped) { Since::Stopped } else { Since::GoesOn }
    }

    fn rise(&self, at: SinceStart, limit: Option<Bytes>) -> Option<Rise> {
        let floor = self.floor();
        let top = floor.last().copied().flatten()?;
        let peak = self.slices.iter().rev().take(QUARTER).flatten().map(|slice| slice.high).max()?;
        let bytes = limit.map(Bytes::get).map(|bytes| bytes as f64);
        if bytes.is_some_and(|limit| (peak.get() as f64) < LOWEST * limit) {
            return None;
        }
        // Nothing presses where there is no limit: a whole window decides.
        let shortest = if limit.is_some() { self.demand.shortest } else { SLICES };
        let mut before = self.behind.at(at).unwrap_or_default();
        let spans = floor.iter().zip(&self.slices).enumerate();
        for (first, (bottom, slice)) in spans.take(SLICES.saturating_sub(shortest).saturating_add(1)) {
            let Some(slice) = slice.filter(|slice| slice.is_warm) else { continue };
            let held = before;
            before = before.max(slice.low);
            let Some(bottom) = *bottom else { continue };
            let rise = (top.get() as f64) - bottom.get() as f64;
            let room = match bytes {
                Some(limit) => limit - peak.get() as f64,
                None => bottom.get() as f64 * self.demand.room_without_limit,
            };
            let least = bytes.map_or(LEAST_WITHOUT_LIMIT.get() as f64, |limit| LEAST_RISE * limit);
            let is_enough = rise >= least && rise >= COVERS * room;
            let is_new = top.get() as f64 - held.get() as f64 >= NEW * rise;
            let span = floor.get(first..).unwrap_or_default();
            if is_enough && is_new && is_straight(span, bottom, rise) {
                let slices = self.slices.get(first..).unwrap_or_default();
                let steps = u32::try_from(slices.len().saturating_sub(1)).unwrap_or(1);
                let span = self.width.saturating_mul(steps);
                return Some(Rise { from: bottom, to: top, span, cause: cause(slices, top.saturating_sub(bottom)) });
            }
        }
        None
    }

    /// The lowest use from each slice until now; `None` where a slice has no sample.
    fn floor(&self) -> [Option<Bytes>; SLICES] {
        let mut floor = [None; SLICES];
        let mut lowest: Option<Bytes> = None;
        for (floor, slice) in floor.iter_mut().zip(&self.slices).rev() {
            if let Some(slice) = slice {
                lowest = Some(lowest.map_or(slice.low, |lowest| lowest.min(slice.low)));
                *floor = lowest;
            }
        }
        floor
    }

    /// The trend of the highest use of each slice: what will meet the limit.
    pub(super) fn trend(&self) -> Option<Trend> {
        let present = self.present.map(|(_, slice)| slice);
        Trend::of(self.slices.iter().copied().chain([present]).map(|slice| slice.map(|slice| slice.high)), self.width)
    }
}

/// Whether the floor keeps near the straight line from the first value of the span to the last, in at least half of its
/// slices known.
fn is_straight(span: &[Option<Bytes>], bottom: Bytes, rise: f64) -> bool {
    let last = span.len().saturating_sub(1) as f64;
    let known = span.iter().flatten().count();
    let off_line = |(index, value): (usize, &Option<Bytes>)| {
        let grown = (value.as_ref()?.get() as f64 - bottom.get() as f64) / rise;
        Some(grown - index as f64 / last)
    };
    let mut before = bottom;
    let jump = span.iter().flatten().map(|value| value.saturating_sub(core::mem::replace(&mut before, *value))).max();
    jump.is_some_and(|jump| jump.get() as f64 <= JUMP * rise)
        && known.saturating_mul(2) >= span.len()
        && span.iter().enumerate().filter_map(off_line).all(|off| off <= ABOVE && -off <= BELOW)
}

/// The part that grew from the first quarter of the slices to the last, each at its least.
fn cause(slices: &[Option<Slice>], growth: Bytes) -> Cause {
    let quarter = slices.len().div_ceil(4);
    let least = |slices: &mut dyn Iterator<Item = &Option<Slice>>| {
        slices.take(quarter).flatten().map(|slice| slice.parts).reduce(|least, parts| least.least(&parts))
    };
    let (Some(then), Some(now)) = (least(&mut slices.iter()), least(&mut slices.iter().rev())) else {
        return Cause::Unknown;
    };
    now.grown_since(&then, growth)
}
