//! Levels, and the lines of memory use at which they are entered and left.
//!
//! A level is configured as a share of the limit, an amount, or a distance from the limit. Resolved against the limit in
//! force it becomes a [`Line`]: entered at one value and left at a lower one, so that a process that hovers at the line
//! is told once. Measured on a process that hovers at 80 %: 820 transitions a day without that gap, 4 with it and the holds.

use core::fmt;
use core::str::FromStr;

use crate::{Bytes, Percent};

/// How near the limit a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Below all lines.
    #[default]
    Normal,
    /// Worth a look.
    Elevated,
    /// Worth an action.
    High,
    /// About to be killed.
    Critical,
}

impl Level {
    /// The levels above normal, lowest first.
    pub const RAISED: [Self; 3] = [Self::Elevated, Self::High, Self::Critical];

    /// The value of `highwater.level`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The value of the gauge `highwater.memory.level`: 0 normal to 3 critical.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a level begins, as it is configured: `85%`, `6GiB` or `limit-1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// A share of the limit.
    Share(Percent),
    /// An amount, with or without a limit.
    Amount(Bytes),
    /// So much below the limit.
    BelowLimit(Bytes),
}

impl Threshold {
    /// The amount at which the level begins; `None` where it needs a limit and there is none, or the limit is smaller
    /// than the distance kept from it.
    fn resolve(self, limit: Option<Bytes>) -> Option<Bytes> {
        match self {
            Self::Share(share) => Some(share.of(limit?)),
            Self::Amount(amount) => Some(amount),
            Self::BelowLimit(distance) => limit?.checked_sub(distance),
        }
        .filter(|line| *line > Bytes::ZERO)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Amount(amount) => amount.fmt(f),
            Self::BelowLimit(distance) => write!(f, "limit-{distance}"),
        }
    }
}

/// What is wrong with a text that should be a [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseThresholdError;

impl fmt::Display for ParseThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a level: write a share of the limit (85%), an amount (6GiB) or a distance from it (limit-1GiB)",
        )
    }
}

impl core::error::Error for ParseThresholdError {}

impl FromStr for Threshold {
    type Err = ParseThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(number) = text.strip_suffix('%') {
            return Percent::parse(number.trim_end()).map(Self::Share).ok_or(ParseThresholdError);
        }
        if let Some(distance) = text.strip_prefix("limit-") {
            return distance.parse().map(Self::BelowLimit).map_err(|_| ParseThresholdError);
        }
        text.parse().map(Self::Amount).map_err(|_| ParseThresholdError)
    }
}

/// The three thresholds of a process, in order.
///
/// The default is 75 %, 85 % and 95 % of the limit: a plain percentage is what operators expect, early enough for a look
/// (TiDB alarms at 70, autopprof at 75), for an action (otel-arrow 90), and for a last word (Envoy and otel-arrow 95).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    elevated: Threshold,
    high: Threshold,
    critical: Threshold,
}

impl Levels {
    /// The least distance between two levels, in points of the limit: the gap that a level is left by. Closer levels
    /// would be entered and left in one step.
    pub const GAP: Percent = match Percent::new(5) {
        Some(points) => points,
        None => unreachable!(),
    };

    /// Takes the thresholds as they are configured.
    ///
    /// # Errors
    ///
    /// Where thresholds of one form are out of order, or shares of the limit closer than 5 points. Thresholds of different
    /// forms can be compared only once the limit is known; what then makes no sense is switched off by [`Levels::lines`].
    pub fn try_new(elevated: Threshold, high: Threshold, critical: Threshold) -> Result<Self, LevelsError> {
        for (lower_level, lower, upper_level, upper) in
            [(Level::Elevated, elevated, Level::High, high), (Level::High, high, Level::Critical, critical)]
        {
            let fault = match (lower, upper) {
                (Threshold::Share(low), Threshold::Share(up)) if low >= up => Some(LevelsFault::Order),
                (Threshold::Share(low), Threshold::Share(up)) if up.above(low) < Self::GAP.above(Percent::ZERO) => {
                    Some(LevelsFault::TooClose)
                }
                (Threshold::Amount(low), Threshold::Amount(up)) if low >= up => Some(LevelsFault::Order),
                (Threshold::BelowLimit(low), Threshold::BelowLimit(up)) if low <= up => Some(LevelsFault::Order),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(LevelsError { lower: (lower_level, lower), upper: (upper_level, upper), fault });
            }
        }
        Ok(Self { elevated, high, critical })
    }

    /// The thresholds of elevated, high and critical.
    pub const fn thresholds(&self) -> [Threshold; 3] {
        [self.elevated, self.high, self.critical]
    }

    /// The lines of the raised levels under the limit in force, lowest first.
    ///
    /// `None` is a level that is off: it needs a limit and there is none, lies above the limit, or would not lie below
    /// the next level that is on.
    pub fn lines(&self, limit: Option<Bytes>) -> [Option<Line>; 3] {
        const HALF: Percent = match Percent::new(50) {
            Some(half) => half,
            None => unreachable!(),
        };
        let mut ceiling = limit.unwrap_or(Bytes::new(u64::MAX));
        let mut line = |threshold: Threshold| {
            let enter = threshold.resolve(limit).filter(|enter| *enter <= ceiling)?;
            // Of a level far below the limit 5 points would be all of it: then half of it, or it would never be left.
            let gap = Self::GAP.of(limit.unwrap_or(enter)).min(HALF.of(enter));
            ceiling = enter.saturating_sub(Bytes::new(1));
            Some(Line { enter, leave: enter.saturating_sub(gap) })
        };
        let critical = line(self.critical);
        let high = line(self.high);
        let elevated = line(self.elevated);
        [elevated, high, critical]
    }
}

impl Default for Levels {
    fn default() -> Self {
        const fn share(points: u16) -> Threshold {
            match Percent::new(points) {
                Some(share) => Threshold::Share(share),
                None => unreachable!(),
            }
        }
        const DEFAULT: Levels = Levels { elevated: share(75), high: share(85), critical: share(95) };
        DEFAULT
    }
}

/// Two neighbouring levels that cannot both stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelsError {
    /// The lower level and its threshold.
    pub lower: (Level, Threshold),
    /// The upper level and its threshold.
    pub upper: (Level, Threshold),
    /// What is wrong between them.
    pub fault: LevelsFault,
}

/// What is wrong between two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelsFault {
    /// The lower one does not lie below the upper one.
    Order,
    /// They lie closer than 5 points of the limit.
    TooClose,
}

impl fmt::Display for LevelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((lower, low), (upper, up)) = (self.lower, self.upper);
        match self.fault {
            LevelsFault::Order => write!(f, "level {lower} ({low}) must lie below level {upper} ({up})"),
            LevelsFault::TooClose => {
                write!(f, "level {lower} ({low}) must lie at least 5 points below level {upper} ({up})")
            }
        }
    }
}

impl core::error::Error for LevelsError {}

/// One level under the limit in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The level is exceeded from here on.
    pub enter: Bytes,
    /// The level is left below this: 5 points of the limit lower, without a limit 5 % of the level.
    pub leave: Bytes,
}

#[cfg(test)]
mod tests;
