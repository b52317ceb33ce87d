//! Growth that goes on: a leak is heard of before a line is crossed.
//!
//! Use goes up and down all day; what tells a leak is that it never comes down again. So growth is judged on the *floor*:
//! for each moment the lowest use from then until now. A burst, a sawtooth, a request that is over leave no trace in it,
//! and a cache that was emptied wipes out what it had grown. A window says that memory grows where its floor rose
//!
//! - *by enough*: once more as much, and the limit is reached - a forecast reaches no further ahead than the look back;
//! - *steadily*: near the straight line from its first to its last value. What warms up runs above that line and slows
//!   down, a step runs below it and jumps;
//! - *to new heights*: more than half of the rise lies above all that was held before, so that the wave of every day and the
//!   refilling of a cache are not news.
//!
//! Three windows look at once, since a leak of a day and one of an hour are seen in no common window: slow, fast and ramp.
//! Within each, every span from its shortest to the whole is tried, so that growth that began late is seen as early as
//! growth can be told from a step. This replaces the more usual significance of a trend (Theil-Sen and Mann-Kendall on the
//! minima of slices, with tests for slowing down and for steps): the floor makes noise one-sided, which leaves nothing to
//! test but its shape.
//!
//! The first half hour is not judged: nearly every process grows while it warms up.

use core::time::Duration;

use crate::cause::{Cause, Parts};
use crate::forecast::Forecast;
use crate::{Bytes, Limit, Sample, SinceStart};

use self::window::{Rise, Since, Window};

mod window;

pub(crate) use self::window::SLICES;

/// How far back growth is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Windows {
    /// For leaks that take the better part of a day. 6 h: long enough to tell growth from the half of a working day.
    pub slow: Duration,
    /// For leaks of a few hours. 1 h.
    pub fast: Duration,
    /// For leaks of an hour and less. 20 min.
    pub ramp: Duration,
    /// After the start, in which nothing counts as growth. 30 min: caches, pools and code paths of most services are warm
    /// by then; what takes longer slows down, and is told from growth by that.
    pub warm_up: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        const fn minutes(minutes: u64) -> Duration {
            Duration::from_secs(minutes.saturating_mul(60))
        }
        Self { slow: minutes(360), fast: minutes(60), ramp: minutes(20), warm_up: minutes(30) }
    }
}

impl Windows {
    /// The length of one of the windows.
    pub const fn of(&self, pace: Pace) -> Duration {
        match pace {
            Pace::Slow => self.slow,
            Pace::Fast => self.fast,
            Pace::Ramp => self.ramp,
        }
    }

    /// For how long a height that was held before is no news: a day by default, so that a day is compared with the last.
    const fn memory(&self) -> Duration {
        self.slow.saturating_mul(4)
    }
}

/// The window that saw the growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pace {
    /// The slow one.
    Slow,
    /// The fast one.
    Fast,
    /// The shortest.
    Ramp,
}

impl Pace {
    /// All, from the longest window to the shortest.
    pub const ALL: [Self; 3] = [Self::Slow, Self::Fast, Self::Ramp];
}

/// Memory that grows and does not come down.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The window that saw it.
    pub pace: Pace,
    /// Bytes a second by which the floor rose.
    pub slope: f64,
    /// The span over which it rose.
    pub span: Duration,
    /// When the limit is reached, as far as that can be said.
    pub time_to_limit: Option<Forecast>,
    /// Which part grew over the span.
    pub cause: Cause,
}

/// The growth of one process.
#[derive(Clone, Debug)]
pub(crate) struct Detector {
    warm_up: Duration,
    windows: [Window; 3],
    /// When the first sample was taken.
    began: Option<SinceStart>,
    scope: Scope,
    /// Whether the last sample was one of what is followed.
    sees: bool,
    known: Option<Known>,
    last_told: Option<SinceStart>,
}

/// Growth that has not gone away.
#[derive(Clone, Copy, Debug)]
struct Known {
    pace: Pace,
    at: SinceStart,
    rise: Rise,
    /// Whether it was told; else it came too soon after the last one.
    heard: bool,
}

/// What use is followed: that of the process itself, or of the cgroup whose limit binds. Two of them are not on one line.
#[derive(Clone, Copy, Debug, Default)]
struct Scope {
    /// And when it bound last.
    followed: Option<(u64, SinceStart)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Followed {
    Yes,
    No,
    /// From this sample on.
    Anew,
}

impl Scope {
    /// Two limits can have the same room left, and bind in turn: the followed one is left only once it has not bound for
    /// `long`.
    fn follow(&mut self, sample: &Sample, long: Duration) -> Followed {
        // Without a limit use is the process's own, as with a configured one, whose scope is 0.
        let binding = sample.limit.map_or(0, |limit| limit.scope);
        let (followed, last) = self.followed.unwrap_or((binding, sample.at));
        if followed != binding && sample.at.since(last) < long {
            return Followed::No;
        }
        self.followed = Some((binding, sample.at));
        if followed == binding { Followed::Yes } else { Followed::Anew }
    }
}

impl Detector {
    pub(crate) fn new(windows: &Windows) -> Self {
        Self {
            warm_up: windows.warm_up,
            windows: Pace::ALL.map(|pace| Window::new(pace, windows.of(pace), windows.memory())),
            began: None,
            scope: Scope::default(),
            sees: false,
            known: None,
            last_told: None,
        }
    }

    /// Takes one sample into account. Growth is told once; again only where it had gone away, and so long `apart`.
    pub(crate) fn observe(&mut self, sample: &Sample, used: Bytes, apart: Duration) -> Option<Growth> {
        let [.., ramp] = &self.windows;
        let followed = self.scope.follow(sample, ramp.length());
        self.sees = followed != Followed::No;
        match followed {
            Followed::Yes => {}
            Followed::No => return None,
            Followed::Anew => self.begin_anew(),
        }
        let began = *self.began.get_or_insert(sample.at);
        let is_warm = sample.at.since(began) >= self.warm_up;
        let (mut found, mut became, parts) = (None, Since::GoesOn, Parts::of(sample));
        for window in &mut self.windows {
            if !window.observe(sample.at, used, parts, is_warm) {
                continue;
            }
            if let Some(known) = self.known.filter(|known| known.pace == window.pace()) {
                became = window.follow(&known.rise, sample.at.since(known.at));
            }
            let rise = window.growing(sample.at, sample.limit);
            found = found.or(rise.map(|rise| (window.pace(), rise)));
        }
        match became {
            Since::GoesOn => {}
            Since::Stopped => self.known = None,
            Since::GivenBack => {
                self.begin_anew();
                return None;
            }
        }
        // A slice is judged when the next sample comes, which may say that it is over.
        let (pace, rise) = found.filter(|(_, rise)| used >= rise.half())?;
        if self.known.is_some_and(|known| known.heard) {
            return None;
        }
        let heard = self.last_told.is_none_or(|last| sample.at.since(last) >= apart);
        self.known = Some(Known { pace, at: sample.at, rise, heard });
        if !heard {
            return None;
        }
        self.last_told = Some(sample.at);
        let time_to_limit = sample.limit.and_then(|limit| self.forecast(limit));
        Some(Growth { pace, slope: rise.slope(), span: rise.span, time_to_limit, cause: rise.cause })
    }

    /// Whether growth that was told goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.known.is_some_and(|known| known.heard)
    }

    /// How much of the warm-up is left at `at`; nothing once it is over.
    pub(crate) fn warm_up_left(&self, at: SinceStart) -> Duration {
        self.warm_up.saturating_sub(self.began.map_or(Duration::ZERO, |began| at.since(began)))
    }

    /// There is a sample that says nothing of use.
    pub(crate) fn lose_sight(&mut self) {
        self.sees = false;
    }

    /// Forgets what it has seen: what was held was growth, or of something else, and is not what is normal.
    fn begin_anew(&mut self) {
        self.windows.iter_mut().for_each(Window::clear);
        self.known = None;
    }

    /// Bytes a second by which use rises or falls, over the fast window; `None` where it is not certain which.
    pub(crate) fn slope(&self) -> Option<f64> {
        let [_, fast, _] = &self.windows;
        fast.trend().filter(|_| self.sees)?.slope()
    }

    /// When the limit of the last sample is reached; `None` where it is not certain that use rises, or another use is
    /// followed than counts against it.
    ///
    /// The shortest window answers that looks back nearly as far as the forecast reaches ahead; the next longer one may
    /// only move the latest moment back: a ramp may be the flank of a sawtooth.
    pub(crate) fn forecast(&self, limit: Limit) -> Option<Forecast> {
        /// How many times its own length a window looks ahead.
        const REACH: f64 = 1.5;
        /// The slow window, after which there is none: a day from the default of six hours.
        const LAST_REACH: f64 = 4.0;
        if !self.sees {
            return None;
        }
        let mut best: Option<Forecast> = None;
        for window in self.windows.iter().rev() {
            let reach = if window.pace() == Pace::Slow { LAST_REACH } else { REACH };
            let Some(forecast) = window.trend().and_then(|trend| trend.forecast(limit.bytes)) else { continue };
            match &mut best {
                Some(best) => {
                    best.latest = best.latest.max(forecast.latest);
                    break;
                }
                None if forecast.likely <= window.length().mul_f64(reach) => best = Some(forecast),
                None => {}
            }
        }
        best
    }
}

#[cfg(test)]
mod tests;
