//! Quantities that carry their unit in their type.
//!
//! A number of bytes, a share of a limit and a moment of monotonic time look alike as integers; as types they cannot be
//! taken for one another. All arithmetic saturates: a sample is never worth a panic.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// An amount of memory in bytes.
///
/// Parses `1048576`, `512KiB`, `6GiB`, `1.5GiB` and the decimal `500MB`; displays with binary units, one decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No memory at all.
    pub const ZERO: Self = Self(0);

    /// `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `n` kibibytes of 1,024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n.saturating_mul(1 << 10))
    }

    /// `n` mebibytes of 1,048,576 bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n.saturating_mul(1 << 20))
    }

    /// `n` gibibytes of 1,073,741,824 bytes.
    pub const fn gib(n: u64) -> Self {
        Self(n.saturating_mul(1 << 30))
    }

    /// The plain number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, at most `u64::MAX`.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The difference, or `None` where `other` is larger.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// This amount as a ratio of `whole`; `None` of nothing.
    pub fn ratio_of(self, whole: Self) -> Option<f64> {
        (whole.0 > 0).then(|| self.0 as f64 / whole.0 as f64)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (unit, size) in UNITS {
            if self.0 >= size {
                return if self.0.is_multiple_of(size) {
                    write!(f, "{}{unit}", self.0.checked_div(size).unwrap_or_default())
                } else {
                    write!(f, "{:.1}{unit}", self.0 as f64 / size as f64)
                };
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// What is wrong with a text that should be an amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseBytesError;

impl fmt::Display for ParseBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an amount of memory: write a number of bytes or one with a unit, such as 512MiB, 6GiB or 500MB",
        )
    }
}

impl core::error::Error for ParseBytesError {}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let size: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "KiB" | "Ki" => 1 << 10,
            "MiB" | "Mi" => 1 << 20,
            "GiB" | "Gi" => 1 << 30,
            "TiB" | "Ti" => 1 << 40,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err(ParseBytesError),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(size).map(Self).ok_or(ParseBytesError);
        }
        let bytes = number.parse::<f64>().map_err(|_| ParseBytesError)? * size as f64;
        // A fraction of a byte is a slip of the pen, and 2^64 does not fit; both comparisons are false for NaN.
        if size > 1 && bytes >= 0.0 && bytes < u64::MAX as f64 { Ok(Self(bytes as u64)) } else { Err(ParseBytesError) }
    }
}

/// A share of a limit in hundredths of a percent: `85%` is 8,500.
///
/// An integer, so that two configurations that look equal are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `points` percent.
    ///
    /// `None` above 100.
    pub const fn new(points: u16) -> Option<Self> {
        if points <= 100 { Some(Self(points.saturating_mul(100))) } else { None }
    }

    /// This share of `whole`, rounded down.
    pub fn of(self, whole: Bytes) -> Bytes {
        let share = u128::from(whole.0).saturating_mul(u128::from(self.0)).checked_div(10_000).unwrap_or_default();
        Bytes(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// How many hundredths of a percent `self` lies above `other`; zero where it lies below.
    pub(crate) const fn above(self, other: Self) -> u16 {
        self.0.saturating_sub(other.0)
    }

    /// From text without its `%`, with at most two decimals.
    pub(crate) fn parse(number: &str) -> Option<Self> {
        // `parse` of an integer would take a sign, also one after the point.
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        let (points, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let hundredths = match decimals.len() {
            1 => decimals.parse::<u16>().ok()?.checked_mul(10)?,
            2 => decimals.parse::<u16>().ok()?,
            _ => return None,
        };
        let share = points.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        (share <= 10_000).then_some(Self(share))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

/// A moment of monotonic time: how long ago the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinceStart(Duration);

impl SinceStart {
    /// The moment `elapsed` after the start.
    pub const fn new(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The moment `seconds` after the start.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Time from the start to this moment.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to this moment; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `time` after this one.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests;
