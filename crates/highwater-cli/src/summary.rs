//! What there was in all, for the person at the terminal.

use std::fmt;
use std::time::Duration;

use highwater::model::{Change, Reason, SinceStart};
use highwater::{Bytes, Event, Level, Sample, What};

/// Counts as the replay goes on.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    samples: u64,
    unknown: u64,
    first: Option<SinceStart>,
    last: SinceStart,
    level: Level,
    time_at: [Duration; 4],
    episodes: u64,
    open: bool,
    growth: u64,
    /// The sample of the highest use.
    highest: Option<Sample>,
    /// Whether any sample had a limit.
    limited: bool,
    /// How long the replay took.
    pub(crate) took: Duration,
}

impl Summary {
    /// Takes one sample into account, and the level since.
    pub(crate) fn sample(&mut self, sample: &Sample, level: Level) {
        if self.first.is_some() {
            let since = sample.at.since(self.last);
            for (known, time) in (0_u8..).zip(&mut self.time_at) {
                if known == self.level.number() {
                    *time = time.saturating_add(since);
                }
            }
        }
        self.samples = self.samples.saturating_add(1);
        self.first.get_or_insert(sample.at);
        (self.last, self.level) = (sample.at, level);
        self.limited |= sample.limit.is_some();
        if sample.used.is_none() {
            self.unknown = self.unknown.saturating_add(1);
        } else if self.highest.is_none_or(|highest| sample.used > highest.used) {
            self.highest = Some(*sample);
        }
    }

    /// Takes one event into account.
    pub(crate) fn event(&mut self, event: &Event) {
        if event.name() == GROWTH {
            self.growth = self.growth.saturating_add(1);
        }
        let What::Memory(transition) = event.what() else { return };
        match transition.change {
            Change::Begun(_) => {
                // The second half of one that was split is none of its own.
                self.episodes = self.episodes.saturating_add(u64::from(transition.reason != Reason::Split));
                self.open = true;
            }
            Change::Ended(..) => self.open = false,
            _ => {}
        }
    }

    /// Whether there was nothing that a share of could be judged.
    pub(crate) fn is_without_limit(&self) -> bool {
        self.highest.is_some() && !self.limited
    }

    /// The first moment and the last.
    pub(crate) fn span(&self) -> (SinceStart, SinceStart) {
        (self.first.unwrap_or_default(), self.last)
    }

    pub(crate) fn episodes(&self) -> u64 {
        self.episodes
    }

    pub(crate) fn highest(&self) -> Option<&Sample> {
        self.highest.as_ref()
    }
}

/// The event of the growth detector.
pub(crate) const GROWTH: &str = "highwater.memory.growth.detected";

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.span();
        write!(f, "samples        {}", self.samples)?;
        if self.unknown > 0 {
            write!(f, ", {} of them without `used` and not judged", self.unknown)?;
        }
        let rate = self.samples as f64 / self.took.as_secs_f64().max(1e-6);
        writeln!(f, "\nspan           {}, replayed at {rate:.0} samples per second", time(last.since(first)))?;
        let open = if self.open { ", the last one open at the end" } else { "" };
        writeln!(f, "episodes       {}{open}", self.episodes)?;
        writeln!(f, "growth alarms  {}", self.growth)?;
        if let Some(sample) = &self.highest {
            writeln!(f, "highest use    {} at {} s", Use(sample), sample.at.elapsed().as_secs_f64())?;
        }
        f.write_str("time           ")?;
        for (index, (name, spent)) in ["normal", "elevated", "high", "critical"].iter().zip(self.time_at).enumerate() {
            write!(f, "{}{name} {}", if index > 0 { ", " } else { "" }, time(spent))?;
        }
        Ok(())
    }
}

/// "437.0MiB, 85 % of 512MiB".
pub(crate) struct Use<'a>(pub(crate) &'a Sample);

impl fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.used.unwrap_or(Bytes::ZERO))?;
        match (self.0.utilization(), self.0.limit) {
            (Some(utilization), Some(limit)) => write!(f, ", {:.0} % of {}", utilization * 100.0, limit.bytes),
            _ => Ok(()),
        }
    }
}

/// To the second where it is longer than one.
pub(crate) fn time(time: Duration) -> humantime::FormattedDuration {
    let whole =
        if time < Duration::from_secs(1) { time.as_millis() as u64 } else { time.as_secs().saturating_mul(1000) };
    humantime::format_duration(Duration::from_millis(whole))
}
