//! The command line: what is replayed, what is judged differently than the agent did, and which profile is read.
//!
//! Levels, holds and windows of growth are written as in the agent's environment, and bounded by the same rules.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use highwater::model::{Holds, Levels, LevelsError, Rules, Windows};
use highwater::{Bytes, Level, Pace, Threshold};

/// Tools beside the memory-observability agent Highwater.
#[derive(Debug, Parser)]
#[command(name = "highwater", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge a recorded run again: events on standard output, one JSON object a line
    Replay(Replay),
    /// Show who holds what in a heap profile: the largest sites, on standard output
    Profile(Profile),
    /// Print what a black box holds: how its run ended, or how it stands, and its last minutes
    BlackBox(BlackBox),
    /// Tell a collector of the runs that left their boxes in a folder: of jobs and pods that never start again
    #[cfg(feature = "reap")]
    Reap(Reap),
}

#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// A profile in pprof's format, packed or not, or a heap profile as jemalloc dumps it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// An earlier profile of the same program: the sites that grew most since come first
    #[arg(long, value_name = "BASE")]
    pub(crate) diff: Option<PathBuf>,
    /// Find inlined functions and lines: in the files on this machine that have the build id of the profile, by their path
    /// and in /usr/lib/debug, and in those that are given here
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) symbols: Vec<OsString>,
    /// How many sites are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Draw all stacks as a flame graph into this file
    #[arg(long, value_name = "OUT.svg")]
    pub(crate) flamegraph: Option<PathBuf>,
    /// Write the profile as Chrome's DevTools load it
    #[arg(long, value_name = "OUT.heapprofile")]
    pub(crate) heapprofile: Option<PathBuf>,
}

#[cfg(feature = "reap")]
#[derive(Debug, Args)]
pub(crate) struct Reap {
    /// The folder that HIGHWATER_BLACK_BOX names, or that of the file
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The collector's address, such as http://localhost:4318; the rest is as OTEL_EXPORTER_OTLP_* say
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) otlp: String,
    /// Goes on, one pass after the other, until it is ended
    #[arg(long)]
    pub(crate) watch: bool,
    /// Between two passes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
}

#[cfg(feature = "reap")]
fn interval(text: &str) -> Result<Duration, String> {
    let time = up_to_a_day(text).filter(|time| *time >= Duration::from_millis(100));
    time.ok_or_else(|| "not a time from 100ms to a day: write one with a unit, such as 1s".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct BlackBox {
    /// What HIGHWATER_BLACK_BOX wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// One JSON object, with every sample
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What HIGHWATER_RECORD wrote, or any CSV with the columns `seconds` and `used`; `-` is standard input. Several are
    /// one run, in their order: memory.csv.1 memory.csv
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// The limit in place of the column `limit`, such as 512MiB
    #[arg(long, value_parser = limit)]
    pub(crate) limit: Option<Bytes>,
    /// Where a level begins, such as high=80%, high=6GiB or critical=limit-1GiB; for each of elevated, high and critical
    #[arg(long = "level", value_name = "LEVEL=BEGINS", value_parser = level)]
    levels: Vec<(Level, Threshold)>,
    /// How long a level must be exceeded before it is entered, such as high=5s; `leave=60s`: how long use must stay below
    /// before any is left
    #[arg(long = "hold", value_name = "LEVEL=TIME", value_parser = hold)]
    holds: Vec<(Hold, Duration)>,
    /// How far back growth is looked for, such as slow=6h, fast=1h or ramp=20m; `warm-up=30m`: for how long after the
    /// start nothing counts as growth
    #[arg(long = "growth", value_name = "WINDOW=TIME", value_parser = growth)]
    growth: Vec<(Growth, Duration)>,
    /// Draw the run into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Enter(Level),
    Leave,
}

/// What is known of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    Window(Pace),
    WarmUp,
}

impl Replay {
    /// By what the agent judges, with what was given in place of its own.
    pub(crate) fn rules(&self) -> Result<Rules, OptionError> {
        let mut rules = Rules::default();
        (rules.levels, rules.holds, rules.growth) = (self.levels()?, self.holds(), self.windows()?);
        Ok(rules)
    }

    /// The agent's levels, with those that were given in place of its own.
    fn levels(&self) -> Result<Levels, OptionError> {
        let mut thresholds = Levels::default().thresholds();
        for (level, begins) in &self.levels {
            for (known, threshold) in Level::RAISED.into_iter().zip(&mut thresholds) {
                if known == *level {
                    *threshold = *begins;
                }
            }
        }
        let [elevated, high, critical] = thresholds;
        Levels::try_new(elevated, high, critical).map_err(OptionError::Levels)
    }

    /// The agent's holds, with those that were given in place of its own.
    fn holds(&self) -> Holds {
        let mut holds = Holds::default();
        for (hold, time) in &self.holds {
            match hold {
                Hold::Leave => (holds.leave, holds.leave_critical) = (*time, *time),
                Hold::Enter(Level::Critical) => holds.critical = *time,
                Hold::Enter(Level::High) => holds.high = *time,
                Hold::Enter(_) => holds.elevated = *time,
            }
        }
        holds
    }

    /// The agent's windows, with those that were given in place of its own.
    fn windows(&self) -> Result<Windows, OptionError> {
        let mut windows = Windows::default();
        for (growth, time) in &self.growth {
            match growth {
                Growth::Window(Pace::Slow) => windows.slow = *time,
                Growth::Window(Pace::Fast) => windows.fast = *time,
                Growth::Window(Pace::Ramp) => windows.ramp = *time,
                Growth::WarmUp => windows.warm_up = *time,
            }
        }
        for (longer, shorter) in [(Pace::Slow, Pace::Fast), (Pace::Fast, Pace::Ramp)] {
            if windows.of(shorter) >= windows.of(longer) {
                return Err(OptionError::Windows { longer, shorter, windows });
            }
        }
        Ok(windows)
    }
}

/// What does not fit together.
#[derive(Debug)]
pub(crate) enum OptionError {
    Levels(LevelsError),
    Windows { longer: Pace, shorter: Pace, windows: Windows },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Levels(error) => write!(f, "--level: {error}: set one of them by --level {}=...", error.upper.0),
            Self::Windows { longer, shorter, windows } => {
                let [long, short] = [longer, shorter].map(|pace| humantime::format_duration(windows.of(*pace)));
                let [longer, shorter] = [longer, shorter].map(|pace| window(*pace));
                write!(
                    f,
                    "--growth: {shorter} ({short}) must be shorter than {longer} ({long}): set one of them by --growth {shorter}=..."
                )
            }
        }
    }
}

fn limit(text: &str) -> Result<Bytes, String> {
    let limit: Bytes = text.parse().map_err(|error| format!("{error}"))?;
    if limit == Bytes::ZERO {
        return Err("a limit of nothing cannot be kept: write an amount such as 512MiB".to_owned());
    }
    Ok(limit)
}

fn level(text: &str) -> Result<(Level, Threshold), String> {
    let (name, begins) = text.split_once('=').ok_or("no pair: write LEVEL=BEGINS, such as high=80%")?;
    let level = raised(name).ok_or("no level: write elevated, high or critical, such as high=80%")?;
    let begins: Threshold = begins.parse().map_err(|error| format!("{error}"))?;
    let nothing = ["0%", "0B"].into_iter().filter_map(|nothing| nothing.parse::<Threshold>().ok());
    if nothing.into_iter().any(|nothing| nothing == begins) {
        return Err("a level of nothing is always exceeded: write a share of the limit, such as 75%".to_owned());
    }
    Ok((level, begins))
}

fn hold(text: &str) -> Result<(Hold, Duration), String> {
    let (name, time) = text.split_once('=').ok_or("no pair: write LEVEL=TIME, such as high=5s")?;
    let hold = match name {
        "leave" => Some(Hold::Leave),
        name => raised(name).map(Hold::Enter),
    };
    let hold = hold.ok_or("no level: write elevated, high, critical or leave, such as high=5s")?;
    Ok((hold, up_to_a_day(time).ok_or("not a duration up to a day: write one with a unit, such as 30s, 500ms or 2m")?))
}

fn growth(text: &str) -> Result<(Growth, Duration), String> {
    const SHORTEST: Duration = Duration::from_secs(24);
    let (name, time) = text.split_once('=').ok_or("no pair: write WINDOW=TIME, such as fast=10m")?;
    let growth = match name {
        "warm-up" => Some(Growth::WarmUp),
        name => Pace::ALL.into_iter().find(|pace| window(*pace) == name).map(Growth::Window),
    };
    let growth = growth.ok_or("no window: write slow, fast, ramp or warm-up, such as fast=10m")?;
    let time = up_to_a_day(time).ok_or("not a duration up to a day: write one with a unit, such as 30m or 6h")?;
    if growth != Growth::WarmUp && time < SHORTEST {
        return Err("shorter than 24 s: a window has 24 slices, and a slice a sample".to_owned());
    }
    Ok((growth, time))
}

fn up_to_a_day(text: &str) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    humantime::parse_duration(text).ok().filter(|time| *time <= DAY)
}

const fn window(pace: Pace) -> &'static str {
    match pace {
        Pace::Slow => "slow",
        Pace::Fast => "fast",
        Pace::Ramp => "ramp",
    }
}

fn raised(name: &str) -> Option<Level> {
    Level::RAISED.into_iter().find(|level| level.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Replay, String> {
        let arguments = ["highwater", "replay", "trace.csv"].iter().chain(arguments);
        match Options::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
            Command::Replay(replay) => Ok(replay),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_given_is_as_in_the_agent() {
        let replay = parse(&[]).unwrap();
        assert_eq!(replay.rules().unwrap(), Rules::default());
    }

    #[test]
    fn levels_and_holds_are_written_as_in_the_agents_environment() {
        let replay = parse(&["--level", "high=80.5%", "--level", "critical=limit-16MiB", "--hold", "high=5s"]);
        let replay = replay.unwrap();
        let [elevated, high, critical] = replay.levels().unwrap().thresholds();
        assert_eq!([elevated, high, critical].map(|t| t.to_string()), ["75%", "80.5%", "limit-16MiB"]);
        let holds = replay.holds();
        assert_eq!((holds.elevated, holds.high), (Holds::default().elevated, Duration::from_secs(5)));
        let left = parse(&["--hold", "leave=2m", "--hold", "critical=1s", "--hold", "elevated=0s"]).unwrap().holds();
        let seconds = Duration::from_secs;
        let holds = [left.elevated, left.high, left.critical, left.leave, left.leave_critical];
        assert_eq!(holds, [seconds(0), Holds::default().high, seconds(1), seconds(120), seconds(120)]);
    }

    #[test]
    fn windows_of_growth_are_set_each_by_its_name() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let all = ["--growth", "slow=30m", "--growth", "fast=8m", "--growth", "ramp=3m", "--growth", "warm-up=0s"];
        let windows = parse(&all).unwrap().rules().unwrap().growth;
        assert_eq!(Pace::ALL.map(|pace| windows.of(pace)), [minutes(30), minutes(8), minutes(3)]);
        assert_eq!(windows.warm_up, Duration::ZERO);
        let windows = parse(&["--growth", "fast=2h"]).unwrap().rules().unwrap().growth;
        assert_eq!([windows.slow, windows.fast, windows.ramp].map(|window| window.as_secs() / 60), [360, 120, 20]);
        let longest = parse(&["--growth", "slow=1day", "--growth", "warm-up=24h"]).unwrap().rules().unwrap().growth;
        assert_eq!([longest.slow, longest.warm_up], [minutes(1440), minutes(1440)]);
        let shortest = parse(&["--growth", "ramp=24s"]).unwrap().rules().unwrap().growth;
        assert_eq!(shortest.ramp, Duration::from_secs(24));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_value_and_what_would_be_right() {
        for (option, value, right) in [
            ("--limit", "much", "such as 512MiB"),
            ("--limit", "0", "such as 512MiB"),
            ("--level", "high", "such as high=80%"),
            ("--level", "huge=80%", "elevated, high or critical"),
            ("--level", "normal=80%", "elevated, high or critical"),
            ("--level", "high=80x", "a share of the limit (85%)"),
            ("--level", "high=0%", "such as 75%"),
            ("--hold", "5s", "such as high=5s"),
            ("--hold", "low=5s", "critical or leave"),
            ("--hold", "high=5", "such as 30s"),
            ("--hold", "high=25h", "up to a day"),
            ("--growth", "30m", "such as fast=10m"),
            ("--growth", "medium=30m", "slow, fast, ramp or warm-up"),
            ("--growth", "slow=30", "such as 30m or 6h"),
            ("--growth", "slow=25h", "up to a day"),
            ("--growth", "ramp=23s", "shorter than 24 s"),
        ] {
            let error = parse(&[option, value]).unwrap_err();
            assert!([option, value, right].iter().all(|part| error.contains(part)), "{option} {value}: {error}");
        }
        let error = parse(&["--level", "high=93%"]).unwrap().levels().unwrap_err().to_string();
        assert!(error.contains("level high (93%) must lie at least 5 points below level critical (95%)"), "{error}");
        for (growth, said) in [
            ("fast=6h", "fast (6h) must be shorter than slow (6h): set one of them by --growth fast=..."),
            ("ramp=90m", "ramp (1h 30m) must be shorter than fast (1h): set one of them by --growth ramp=..."),
        ] {
            let error = parse(&["--growth", growth]).unwrap().rules().unwrap_err().to_string();
            assert_eq!(error, format!("--growth: {said}"));
        }
    }
}
